// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/variables.h"

#include <algorithm>

namespace lazybuild::graph {

void Variables::set(std::string_view name, std::string_view value) {
    const auto known =
        std::ranges::find(values_, name, &std::pair<std::string, std::string>::first);
    if (known != values_.end()) {
        known->second = value;
    } else {
        values_.emplace_back(name, value);
    }
}

void Variables::set_line(std::string_view line) {
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
        set(line, "");
    } else {
        set(line.substr(0, equals), line.substr(equals + 1));
    }
}

const std::string* Variables::find(std::string_view name) const {
    const auto known =
        std::ranges::find(values_, name, &std::pair<std::string, std::string>::first);
    return known == values_.end() ? nullptr : &known->second;
}

std::vector<std::string> Variables::names() const {
    std::vector<std::string> result;
    result.reserve(values_.size());
    for (const auto& [name, value] : values_) {
        result.push_back(name);
    }
    return result;
}

std::vector<std::string> Variables::lines() const {
    std::vector<std::string> result;
    result.reserve(values_.size());
    for (const auto& [name, value] : values_) {
        result.push_back(name + "=" + value);
    }
    return result;
}

}  // namespace lazybuild::graph
