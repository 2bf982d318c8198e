// SPDX-License-Identifier: Apache-2.0
#include "builder/export/annotations.h"

#include <fmt/format.h>

#include <utility>

namespace lazybuild::exporter {
namespace {

constexpr std::size_t kAnnotationsMax = 1000;
// Of one --annotation, each of which has a copy of the value.
constexpr std::size_t kTypesMax = 256;

Error no_such_level(std::string_view written, std::string_view level) {
    return invalid(
        fmt::format("annotation \"{}\": \"{}\" is none of manifest, manifest-descriptor, index, "
                    "index-descriptor",
                    written, level));
}

bool is_level(std::string_view name) {
    return name == "manifest" || name == "manifest-descriptor" || name == "index" ||
           name == "index-descriptor";
}

}  // namespace

Result<Annotations> Annotations::parse(const std::map<std::string, std::string>& written) {
    if (written.size() > kAnnotationsMax) {
        return fail(invalid(fmt::format("more than {} annotations", kAnnotationsMax)));
    }
    Annotations annotations;
    for (const auto& [name, value] : written) {
        // "-index[linux/amd64].key.with.dots"
        std::size_t end = name.find_first_of("[.");
        if (end == std::string::npos) {
            return fail(invalid(fmt::format("annotation{}: \".KEY\" is missing", name)));
        }
        Annotation annotation;
        const std::string_view level = std::string_view{name}.substr(0, end);
        if (level.empty() || level == "-manifest") {
            annotation.level = Level::manifest;
        } else if (level == "-manifest-descriptor") {
            annotation.level = Level::manifest_descriptor;
        } else if (level == "-index") {
            annotation.level = Level::index;
        } else if (level == "-index-descriptor") {
            annotation.level = Level::index_descriptor;
        } else {
            return fail(no_such_level("annotation" + name, level));
        }
        if (name[end] == '[') {
            const std::size_t close = name.find(']', end);
            if (close == std::string::npos || close + 1 >= name.size() || name[close + 1] != '.') {
                return fail(invalid(fmt::format("annotation{}: not [PLATFORM].KEY", name)));
            }
            TRY(annotation.platform,
                codec::Platform::parse(std::string_view{name}.substr(end + 1, close - end - 1)));
            end = close + 1;
        }
        annotation.key = name.substr(end + 1);
        annotation.value = value;
        if (annotation.key.empty()) {
            return fail(invalid(fmt::format("annotation{}: its key is empty", name)));
        }
        annotations.all_.push_back(std::move(annotation));
    }
    return annotations;
}

bool Annotations::beyond_manifests() const {
    for (const Annotation& annotation : all_) {
        if (annotation.level != Level::manifest) {
            return true;
        }
    }
    return false;
}

bool Annotations::of_index() const {
    for (const Annotation& annotation : all_) {
        if (annotation.level == Level::index || annotation.level == Level::index_descriptor) {
            return true;
        }
    }
    return false;
}

// Those without a platform first: one with a platform says more.
codec::StringMap Annotations::of(Level level, const codec::Platform* platform) const {
    codec::StringMap chosen;
    for (const bool with_platform : {false, true}) {
        for (const Annotation& annotation : all_) {
            const bool here = !annotation.platform ||
                              (platform != nullptr &&
                               annotation.platform->normalised() == platform->normalised());
            if (annotation.level == level && annotation.platform.has_value() == with_platform &&
                here) {
                chosen[annotation.key] = annotation.value;
            }
        }
    }
    return chosen;
}

codec::StringMap Annotations::manifest(const codec::Platform& platform) const {
    return of(Level::manifest, &platform);
}

codec::StringMap Annotations::manifest_descriptor(const codec::Platform& platform) const {
    return of(Level::manifest_descriptor, &platform);
}

codec::StringMap Annotations::index() const {
    return of(Level::index, nullptr);
}

codec::StringMap Annotations::index_descriptor() const {
    return of(Level::index_descriptor, nullptr);
}

Result<std::map<std::string, std::string>> annotation_keys(const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
        return fail(invalid(fmt::format("--annotation \"{}\": not [TYPE:]KEY=VALUE", text)));
    }
    const std::string value = text.substr(equals + 1);
    std::string key = text.substr(0, equals);
    // A key may hold ':' itself; what stands before the first one is types only if it says so.
    std::string types = "manifest";
    const std::size_t colon = key.find(':');
    const std::string before = key.substr(0, colon);
    if (colon != std::string::npos && is_level(before.substr(0, before.find_first_of("[,")))) {
        types = before;
        key = key.substr(colon + 1);
    }
    if (key.empty()) {
        return fail(invalid(fmt::format("--annotation \"{}\": its key is empty", text)));
    }
    std::map<std::string, std::string> keys;
    std::size_t begin = 0;
    while (begin <= types.size()) {
        const std::size_t end = std::min(types.find(',', begin), types.size());
        const std::string type = types.substr(begin, end - begin);
        if (!is_level(type.substr(0, type.find('[')))) {
            return fail(no_such_level(text, type));
        }
        keys[fmt::format("-{}.{}", type, key)] = value;
        if (keys.size() > kTypesMax) {
            return fail(invalid(fmt::format("--annotation: more than {} types", kTypesMax)));
        }
        begin = end + 1;
    }
    TRY(const Annotations checked, Annotations::parse(keys));
    return keys;
}

}  // namespace lazybuild::exporter
