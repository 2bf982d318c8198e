// SPDX-License-Identifier: Apache-2.0
// Steps that a cache has to do without, or whose layers it has to do without, in words: however
// many share a reason, it is said once. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace lazybuild::cache {

class DropList {
  public:
    enum class Fate : std::uint8_t {
        without_layers,  ///< the record is there, and names no layer
        left_out,        ///< there is no record
    };
    /// `text` is the step's, `reason` the end of a sentence.
    void add(const std::string& text, Fate fate, const std::string& reason);

    std::size_t count() const { return count_; }
    /// In the order in which they came up: "\"RUN a\" is without its layers: REASON", "\"RUN a\",
    /// \"RUN b\", \"RUN c\" and 4 more are left out: REASON".
    std::vector<std::string> sentences() const;
    /// bad_message, for a cache that was to lack none of its `record_count`. Something was added.
    Error refusal(std::size_t record_count) const;

  private:
    struct Group {
        Fate fate;
        std::string reason;
        std::vector<std::string> texts;  ///< the first few
        std::size_t count = 0;
    };
    std::vector<Group> groups_;
    std::size_t count_ = 0;
};

}  // namespace lazybuild::cache
