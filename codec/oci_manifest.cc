// SPDX-License-Identifier: Apache-2.0
#include "codec/oci_manifest.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "codec/oci_edit.h"

namespace lazybuild::codec {
namespace {

constexpr std::uint64_t kSchemaVersion = 2;

Error schema1_error() {
    return Error{.code = std::errc::not_supported,
                 .message =
                     "this is a Docker schema 1 manifest, a format that was retired in "
                     "2019; push the image again with a current client"};
}

// What the members say. Both kinds at once is an attack, neither is some other document.
Result<DocumentKind> kind_by_members(const JsonPlace& place) {
    const bool manifest = place.find("layers") || place.find("config");
    const bool index = place.find("manifests").has_value();
    if (manifest && index) {
        return fail(place.error("has the members of a manifest and of an index; refused"));
    }
    if (const auto version = place.find("schemaVersion");
        place.find("fsLayers") || (version && version->value() == 1)) {
        return fail(schema1_error().context(place.path()));
    }
    if (!manifest && !index) {
        return fail(place.error("neither a manifest nor an index: no layers, no manifests"));
    }
    return index ? DocumentKind::index : DocumentKind::manifest;
}

Result<DocumentType> detect(const JsonPlace& place, std::string_view served_type) {
    const std::string served = bare_media_type(served_type);
    const auto served_kind = document_kind(served);
    TRY(const std::string stated, place.text_or_empty("mediaType"));
    if (served_kind == DocumentKind::docker_schema1 ||
        document_kind(stated) == DocumentKind::docker_schema1) {
        return fail(schema1_error().context(place.path()));
    }
    TRY(const DocumentKind kind, kind_by_members(place));
    if (!stated.empty() && served_kind && stated != served) {
        return fail(
            place.error(fmt::format("says it is \"{}\" but was served as \"{}\"", stated, served)));
    }
    const std::string type = !stated.empty() ? stated : served_kind ? served : std::string{};
    if (type.empty()) {
        const std::string_view oci =
            kind == DocumentKind::index ? media_type::kOciIndex : media_type::kOciManifest;
        return DocumentType{.kind = kind, .media_type = std::string{oci}};
    }
    if (document_kind(type) != kind) {
        return fail(place.error(fmt::format("its members are not those of \"{}\"", type)));
    }
    return DocumentType{.kind = kind, .media_type = type};
}

Result<void> check_schema_version(const JsonPlace& place) {
    TRY(const JsonPlace version, place.at("schemaVersion"));
    TRY(const std::uint64_t number, version.whole_number());
    if (number != kSchemaVersion) {
        return fail(version.error(fmt::format("{}, not {}", number, kSchemaVersion)));
    }
    return {};
}

Result<std::vector<Descriptor>> parse_descriptors(const JsonPlace& place, std::size_t count_max) {
    TRY(const std::vector<JsonPlace> elements, place.array());
    if (elements.size() > count_max) {
        return fail(over_limit(
            fmt::format("{}: {} entries, more than {}", place.path(), elements.size(), count_max)));
    }
    std::vector<Descriptor> descriptors;
    descriptors.reserve(elements.size());
    for (const JsonPlace& element : elements) {
        TRY(Descriptor descriptor, Descriptor::parse(element));
        descriptors.push_back(std::move(descriptor));
    }
    return descriptors;
}

Json descriptors_json(const std::vector<Descriptor>& descriptors) {
    Json array = Json::array();
    for (const Descriptor& descriptor : descriptors) {
        array.push_back(descriptor.json());
    }
    return array;
}

// Documents that never said their type (OCI lets them) are not made to, unless the type changed.
void set_document_type(Json& object, const std::string& original, std::string_view unsaid,
                       const std::string& type) {
    const auto stated = object.find("mediaType");
    const bool said = stated != object.end() && stated->is_string() && *stated != "";
    if (original.empty() || said || type != unsaid) {
        object["mediaType"] = type;
    }
}

}  // namespace

Result<DocumentType> detect_document(ByteView text, std::string_view served_type) {
    TRY(const JsonDocument document, JsonDocument::parse(text, "document"));
    return detect(document.root(), served_type);
}

Result<Manifest> Manifest::parse(ByteView text, std::string_view served_type) {
    TRY(const JsonDocument document, JsonDocument::parse(text, "manifest"));
    const JsonPlace place = document.root();
    TRY(DocumentType type, detect(place, served_type));
    if (type.kind != DocumentKind::manifest) {
        return fail(place.error("an index, where a manifest belongs"));
    }
    CHECK_OK(check_schema_version(place));
    Manifest manifest;
    manifest.media_type = std::move(type.media_type);
    TRY(const JsonPlace config, place.at("config"));
    TRY(manifest.config, Descriptor::parse(config));
    TRY(const JsonPlace layers, place.at("layers"));
    TRY(manifest.layers, parse_descriptors(layers, kManifestLayersMax));
    TRY(manifest.annotations, place.text_map_or_empty("annotations"));
    TRY(manifest.artifact_type, place.text_or_empty("artifactType"));
    if (const auto subject = place.find("subject")) {
        TRY(manifest.subject, Descriptor::parse(*subject));
    }
    manifest.original = json_text(place.value());
    return manifest;
}

std::string Manifest::serialize() const {
    Json object = original_object(original);
    object["schemaVersion"] = kSchemaVersion;
    set_document_type(object, original, media_type::kOciManifest, media_type);
    set_text(object, "artifactType", artifact_type);
    object["config"] = config.json();
    object["layers"] = descriptors_json(layers);
    if (subject) {
        object["subject"] = subject->json();
    } else if (const auto old = object.find("subject"); old != object.end() && old->is_object()) {
        object.erase(old);
    }
    set_text_map(object, "annotations", annotations);
    return json_text(object);
}

void Manifest::use_oci_types() {
    media_type = oci_equivalent(media_type);
    config.media_type = oci_equivalent(config.media_type);
    for (Descriptor& layer : layers) {
        layer.media_type = oci_equivalent(layer.media_type);
    }
}

Result<Index> Index::parse(ByteView text, std::string_view served_type) {
    TRY(const JsonDocument document, JsonDocument::parse(text, "index"));
    const JsonPlace place = document.root();
    TRY(DocumentType type, detect(place, served_type));
    if (type.kind != DocumentKind::index) {
        return fail(place.error("a manifest, where an index belongs"));
    }
    CHECK_OK(check_schema_version(place));
    Index index;
    index.media_type = std::move(type.media_type);
    TRY(const JsonPlace manifests, place.at("manifests"));
    TRY(index.manifests, parse_descriptors(manifests, kIndexManifestsMax));
    TRY(index.annotations, place.text_map_or_empty("annotations"));
    index.original = json_text(place.value());
    return index;
}

std::string Index::serialize() const {
    Json object = original_object(original);
    object["schemaVersion"] = kSchemaVersion;
    set_document_type(object, original, media_type::kOciIndex, media_type);
    object["manifests"] = descriptors_json(manifests);
    set_text_map(object, "annotations", annotations);
    return json_text(object);
}

void Index::use_oci_types() {
    media_type = oci_equivalent(media_type);
    for (Descriptor& manifest : manifests) {
        manifest.media_type = oci_equivalent(manifest.media_type);
    }
}

const Descriptor* select_manifest(const Index& index, const Platform& wanted) {
    const Descriptor* best = nullptr;
    int best_match = 0;
    for (const Descriptor& manifest : index.manifests) {
        if (!manifest.platform) {
            continue;
        }
        const int match = platform_match(wanted, *manifest.platform);
        if (match > best_match) {
            best = &manifest;
            best_match = match;
        }
    }
    if (best == nullptr && index.manifests.size() == 1 && !index.manifests[0].platform) {
        return &index.manifests[0];
    }
    return best;
}

}  // namespace lazybuild::codec
