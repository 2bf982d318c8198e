// SPDX-License-Identifier: Apache-2.0
// Manifest: one image's config and layers. Index: the manifests of an image for several platforms.
// Both read OCI's and Docker's (schema 2) documents and write back what they do not know.
//
// Sources: OCI image-spec v1.1 manifest.md, image-index.md; Docker image manifest v2 schema 2.
// A document must be one of the two: CVE-2021-41190 was documents that were both.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/media_type.h"
#include "codec/oci_descriptor.h"

namespace lazybuild::codec {

inline constexpr std::size_t kManifestLayersMax = 4096;
inline constexpr std::size_t kIndexManifestsMax = 4096;

/// What the document is, by what it says of itself and by `served_type`: the Content-Type or the
/// descriptor that led to it, "" or a type without meaning ("text/plain") when nobody said.
/// Errors: bad_message when they disagree, or the document is both or neither;
/// not_supported for Docker's schema 1.
struct DocumentType {
    DocumentKind kind = DocumentKind::manifest;
    std::string media_type;
};
Result<DocumentType> detect_document(ByteView text, std::string_view served_type);

struct Manifest {
    std::string media_type;
    Descriptor config;
    std::vector<Descriptor> layers;  ///< bottom first
    StringMap annotations;
    std::string artifact_type;
    std::optional<Descriptor> subject;

    std::string original;

    /// Errors: as detect_document, and bad_message with the path of the member.
    static Result<Manifest> parse(ByteView text, std::string_view served_type);
    /// Compact JSON. The same value gives the same bytes.
    std::string serialize() const;

    /// Names everything as OCI does, so that layers may carry annotations. The digests are not
    /// changed by it: the bytes of configs and layers are the same under both names.
    void use_oci_types();
};

struct Index {
    std::string media_type;
    std::vector<Descriptor> manifests;
    StringMap annotations;

    std::string original;

    /// Errors: as Manifest::parse.
    static Result<Index> parse(ByteView text, std::string_view served_type);
    std::string serialize() const;
    void use_oci_types();
};

/// The manifest that serves `wanted` best, the first of equals as containerd does; nullptr: none.
/// Attestations never do. A manifest without a platform serves when it is the only one.
const Descriptor* select_manifest(const Index& index, const Platform& wanted);

}  // namespace lazybuild::codec
