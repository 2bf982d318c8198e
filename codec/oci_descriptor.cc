// SPDX-License-Identifier: Apache-2.0
#include "codec/oci_descriptor.h"

#include <nlohmann/json.hpp>

#include "codec/oci_edit.h"

namespace lazybuild::codec {
namespace {

Result<Platform> parse_platform(const JsonPlace& place) {
    Platform platform;
    TRY(const JsonPlace os, place.at("os"));
    TRY(platform.os, os.text());
    TRY(const JsonPlace architecture, place.at("architecture"));
    TRY(platform.architecture, architecture.text());
    TRY(platform.variant, place.text_or_empty("variant"));
    TRY(platform.os_version, place.text_or_empty("os.version"));
    return platform;
}

}  // namespace

Result<Descriptor> Descriptor::parse(const JsonPlace& place) {
    Descriptor descriptor;
    TRY(const JsonPlace type, place.at("mediaType"));
    TRY(descriptor.media_type, type.text());
    TRY(const JsonPlace digest, place.at("digest"));
    TRY(descriptor.digest, digest.digest());
    TRY(const JsonPlace size, place.at("size"));
    TRY(descriptor.size_bytes, size.whole_number());
    if (descriptor.size_bytes > kBlobBytesMax) {
        return fail(size.error("larger than any blob may be"));
    }
    TRY(descriptor.annotations, place.text_map_or_empty("annotations"));
    TRY(descriptor.artifact_type, place.text_or_empty("artifactType"));
    if (const auto platform = place.find("platform")) {
        TRY(descriptor.platform, parse_platform(*platform));
    }
    descriptor.original = json_text(place.value());
    return descriptor;
}

Json Descriptor::json() const {
    Json object = original_object(original);
    object["mediaType"] = media_type;
    object["digest"] = digest.text();
    object["size"] = size_bytes;
    set_text_map(object, "annotations", annotations);
    set_text(object, "artifactType", artifact_type);
    if (platform) {
        Json& written = object["platform"];
        written["architecture"] = platform->architecture;
        written["os"] = platform->os;
        set_text(written, "variant", platform->variant);
        set_text(written, "os.version", platform->os_version);
    } else if (const auto old = object.find("platform"); old != object.end() && old->is_object()) {
        object.erase(old);
    }
    return object;
}

Descriptor Descriptor::with_content(std::string new_type, const Digest& new_digest,
                                    std::uint64_t new_size_bytes) const {
    Descriptor changed = *this;
    changed.media_type = std::move(new_type);
    changed.digest = new_digest;
    changed.size_bytes = new_size_bytes;
    Json object = original_object(original);
    object.erase("urls");
    object.erase("data");
    changed.original = json_text(object);
    return changed;
}

bool is_attestation(const Descriptor& manifest) {
    return manifest.platform && manifest.platform->os == "unknown" &&
           manifest.platform->architecture == "unknown";
}

}  // namespace lazybuild::codec
