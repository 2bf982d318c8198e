// SPDX-License-Identifier: Apache-2.0
#include "builder/image/image_place.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace lazybuild::image {
namespace {

struct Prefix {
    std::string_view text;
    ImagePlace::Kind kind;
};

constexpr std::array kPathPrefixes = {
    Prefix{"oci:", ImagePlace::Kind::oci_layout},
    Prefix{"oci-archive:", ImagePlace::Kind::oci_archive},
    Prefix{"docker-archive:", ImagePlace::Kind::docker_archive},
};

// What other tools also know; without this they would be taken for names of images.
constexpr std::array<std::string_view, 5> kUnknownPrefixes = {
    "docker-daemon:", "containers-storage:", "dir:", "sif:", "ostree:"};

Result<ImagePlace> parse_path(const Prefix& prefix, std::string_view text) {
    ImagePlace place;
    place.kind = prefix.kind;
    std::string_view path = text.substr(prefix.text.size());
    // The last ':' begins a tag unless a path goes on behind it.
    const std::size_t colon = path.rfind(':');
    if (colon != std::string_view::npos && path.find('/', colon) == std::string_view::npos) {
        place.tag = path.substr(colon + 1);
        path = path.substr(0, colon);
        if (!registry::is_valid_tag(place.tag)) {
            return fail(invalid(fmt::format("\"{}\": \"{}\" is not a tag", text, place.tag)));
        }
    }
    if (path.empty()) {
        return fail(invalid(fmt::format("\"{}\": a path must follow \"{}\"", text, prefix.text)));
    }
    place.path = path;
    return place;
}

}  // namespace

Result<ImagePlace> ImagePlace::parse(std::string_view text) {
    for (const Prefix& prefix : kPathPrefixes) {
        if (text.starts_with(prefix.text)) {
            return parse_path(prefix, text);
        }
    }
    for (const std::string_view prefix : kUnknownPrefixes) {
        if (text.starts_with(prefix)) {
            return fail(
                invalid(fmt::format("\"{}\": \"{}\" is not supported; images are at "
                                    "docker://, oci:, oci-archive: or docker-archive:",
                                    text, prefix)));
        }
    }
    constexpr std::string_view kRegistryPrefix = "docker://";
    if (text.starts_with(kRegistryPrefix)) {
        text.remove_prefix(kRegistryPrefix.size());
    }
    ImagePlace place;
    TRY(place.reference, registry::Reference::parse(text));
    return place;
}

Result<ImagePlace> ImagePlace::parse_target(std::string_view text) {
    TRY(ImagePlace place, parse(text));
    if (place.kind == Kind::oci_archive || place.kind == Kind::docker_archive) {
        return fail(invalid(fmt::format(
            "\"{}\": archives can only be read; write to oci:DIRECTORY or to a registry", text)));
    }
    if (place.reference.digest) {
        return fail(invalid(fmt::format(
            "\"{}\": a destination has a tag; the digest is that of what is written", text)));
    }
    return place;
}

std::string ImagePlace::text() const {
    if (kind == Kind::registry) {
        return reference.text();
    }
    std::string written;
    for (const Prefix& prefix : kPathPrefixes) {
        if (prefix.kind == kind) {
            written = prefix.text;
        }
    }
    written += path;
    return tag.empty() ? written : written + ":" + tag;
}

}  // namespace lazybuild::image
