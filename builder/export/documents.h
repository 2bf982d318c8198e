// SPDX-License-Identifier: Apache-2.0
// The documents of an image: config, manifest, index. Equal images and options give equal bytes.
//
// Times: with a SOURCE_DATE_EPOCH, `created` and the history entries that the build made say it;
// without one they say nothing, so that a build is its input and not its hour. What a base's
// history says stays.
//
// Threads: any. Source: OCI image-spec v1.1 config.md, manifest.md, image-index.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/export/annotations.h"
#include "builder/export/exporter.h"
#include "builder/export/layer_blobs.h"

namespace lazybuild::exporter {

/// A document and what others say of it.
struct NamedDocument {
    codec::Descriptor descriptor;
    Bytes bytes;
};

struct ImageDocuments {
    NamedDocument config;
    NamedDocument manifest;  ///< its descriptor has the platform and annotations, as in an index
    std::vector<codec::Descriptor> layers;  ///< as in the manifest
};

struct DocumentOptions {
    bool oci_media_types = true;
    std::optional<std::int64_t> epoch_s;
    bool squashed = false;
    Annotations annotations;
};

/// Errors: invalid_argument for a base layer that Docker's media types have no name for.
Result<ImageDocuments> make_documents(const BuiltImage& image,
                                      const std::vector<ImageLayer>& layers,
                                      const DocumentOptions& options);

/// An index over them, in this order.
NamedDocument make_index(const std::vector<ImageDocuments>& images, const DocumentOptions& options);

/// What a manifest says of a layer: no more than what names its bytes, and what lazy readers need.
/// Errors: as make_documents.
Result<codec::Descriptor> layer_descriptor(const codec::Descriptor& layer, bool oci);

/// Seconds since 1970 as RFC 3339, UTC.
std::string rfc3339(std::int64_t time_s);

}  // namespace lazybuild::exporter
