// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/copy_patterns.h"

#include <algorithm>

#include "builder/graph/percent.h"
#include "codec/lexical_path.h"

namespace lazybuild::graph {
namespace {

std::string clean(std::string_view path) {
    return codec::normalise_path(path, codec::LeadingParents::drop);
}

}  // namespace

std::string literal_pattern(std::string_view path) {
    std::string pattern;
    for (const char character : path) {
        if (std::string_view("*?[\\").find(character) != std::string_view::npos) {
            pattern += '\\';
        }
        pattern += character;
    }
    return pattern;
}

std::string clean_pattern(std::string_view source, bool parents) {
    constexpr std::string_view kPivot = "/./";
    const std::size_t pivot = parents ? source.find(kPivot) : std::string_view::npos;
    if (pivot == std::string_view::npos) {
        return clean(source);
    }
    const std::string above = clean(source.substr(0, pivot));
    const std::string kept = clean(source.substr(pivot + kPivot.size()));
    return above.empty() ? kept : above + std::string(kPivot) + kept;
}

bool is_url(std::string_view source) {
    return source.starts_with("http://") || source.starts_with("https://");
}

std::string file_name_of_url(std::string_view url) {
    constexpr std::string_view kUnnamed = "__unnamed__";
    url = url.substr(0, url.find_first_of("?#"));
    const std::size_t host = url.find("://");
    const std::size_t path = host == std::string_view::npos ? 0 : url.find('/', host + 3);
    if (path == std::string_view::npos) {
        return std::string(kUnnamed);
    }
    const std::string whole = clean(percent_decoded(url.substr(path), false));
    if (whole.empty() || whole.find('\0') != std::string::npos) {
        return std::string(kUnnamed);
    }
    return std::string(codec::split_path(whole).name);
}

bool is_numeric_owner(std::string_view owner) {
    return !owner.empty() && owner.find_first_not_of("0123456789:") == std::string_view::npos;
}

}  // namespace lazybuild::graph
