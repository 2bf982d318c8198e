// SPDX-License-Identifier: Apache-2.0
// Images as files: OCI layouts, and tars of such; with a manifest.json in it, a tar is what
// `docker load` takes, of any version.
//
// Threads: any but the reactor's; block on the disk and, for layers that are not here, the network.
// Errors: naming the blob or file; operation_canceled. Source: OCI image-spec v1.1 image-layout.md;
// docker-image-spec v1.2 for manifest.json.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/stream.h"
#include "builder/export/documents.h"
#include "builder/image/session.h"
#include "builder/layers/layer_store.h"

namespace lazybuild::exporter {

/// An image ready to be written: what make_documents() made, and the index over them, if any.
struct FinishedImage {
    std::vector<ImageDocuments> platforms;
    std::optional<NamedDocument> index;
    std::vector<std::string> names;

    const NamedDocument& root() const { return index ? *index : platforms.front().manifest; }
};

/// Into `out`: the same bytes for the same image. Layers that are not here stream through.
/// `docker`: with manifest.json, for the first platform.
Result<void> write_archive(const FinishedImage& image, bool docker, layers::LayerStore& store,
                           image::Session& session, ByteSink& out);

/// Into an OCI layout, which is made or added to.
Result<void> write_layout(const FinishedImage& image, const std::string& directory,
                          layers::LayerStore& store, image::Session& session);

}  // namespace lazybuild::exporter
