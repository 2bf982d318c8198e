// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/variables.h"

namespace lazybuild::graph {

void Variables::set(std::string_view name, std::string_view value) {
    const auto known = places_.find(name);
    if (known != places_.end()) {
        values_[known->second].second = value;
        return;
    }
    places_.emplace(name, values_.size());
    values_.emplace_back(name, value);
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
    const auto known = places_.find(name);
    return known == places_.end() ? nullptr : &values_[known->second].second;
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
