// SPDX-License-Identifier: Apache-2.0
// Names and values in the order in which they were first set: an environment, or ARGs. Names are
// not checked: who reads them from outside has done so.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lazybuild::graph {

class Variables {
  public:
    /// A name that is known keeps its place.
    void set(std::string_view name, std::string_view value);
    /// "NAME=value"; without a '=' the value is empty.
    void set_line(std::string_view line);
    /// nullptr when it is not set. Valid until the next set().
    const std::string* find(std::string_view name) const;
    std::vector<std::string> names() const;
    /// "NAME=value" of each.
    std::vector<std::string> lines() const;

  private:
    std::vector<std::pair<std::string, std::string>> values_;
    std::map<std::string, std::size_t, std::less<>> places_;
};

}  // namespace lazybuild::graph
