// SPDX-License-Identifier: Apache-2.0
#include "codec/lexical_path.h"

#include <algorithm>

namespace lazybuild::codec {
namespace {

void drop_last(std::string& path) {
    const std::size_t slash = path.rfind('/');
    path.resize(slash == std::string::npos ? 0 : slash);
}

bool ends_in_parent(std::string_view path) {
    return path == ".." || path.ends_with("/..");
}

}  // namespace

std::string normalise_path(std::string_view path, LeadingParents leading) {
    std::string clean;
    clean.reserve(path.size());
    while (!path.empty()) {
        const std::string_view component = take_component(path);
        if (component.empty() || component == ".") {
            continue;
        }
        if (component == ".." && !clean.empty() && !ends_in_parent(clean)) {
            drop_last(clean);
            continue;
        }
        if (component == ".." && leading == LeadingParents::drop) {
            continue;
        }
        if (!clean.empty()) {
            clean += '/';
        }
        clean += component;
    }
    return clean;
}

std::string_view take_component(std::string_view& path) {
    const std::string_view component = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(component.size() + 1, path.size()));
    return component;
}

SplitPath split_path(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) {
        return {.directory = {}, .name = path};
    }
    return {.directory = path.substr(0, slash), .name = path.substr(slash + 1)};
}

}  // namespace lazybuild::codec
