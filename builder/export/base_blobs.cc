// SPDX-License-Identifier: Apache-2.0
#include "builder/export/base_blobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "builder/export/store_source.h"
#include "builder/image/image_source.h"
#include "builder/layers/image_layer_ids.h"
#include "codec/layer_unpack.h"

namespace lazybuild::exporter {

Result<void> remember_base(layers::LayerStore& store, const image::ImageDocument& manifest,
                           const image::ConfigDocument& config, const store::Origin& origin) {
    const std::vector<codec::Digest> ids = layers::image_layer_ids(*manifest.manifest);
    const std::vector<codec::Digest>& diff_ids = config.config.diff_ids;
    if (ids.size() != diff_ids.size()) {
        return fail(
            corrupt(fmt::format("image {}: {} layers and {} diffIDs",
                                manifest.descriptor.digest.text(), ids.size(), diff_ids.size())));
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const codec::Descriptor& descriptor = manifest.manifest->layers[i];
        TRY(const std::vector<layers::LayerBlob> known, store.blobs(ids[i]));
        const bool is_known = std::ranges::any_of(known, &layers::LayerBlob::from_base);
        if (!is_known) {
            CHECK_OK(store.add_blob(ids[i], {.descriptor = descriptor,
                                             .diff_id = diff_ids[i],
                                             .compression = layers::compression_of(descriptor),
                                             .from_base = true}));
        }
        TRY(const std::vector<store::Origin> origins, store.origins(descriptor.digest));
        if (std::ranges::find(origins, origin) == origins.end()) {
            CHECK_OK(store.add_origin(descriptor.digest, origin));
        }
    }
    return {};
}

Result<void> copy_tar(layers::LayerStore& store, image::Session& session,
                      const codec::Descriptor& blob, ByteSink& tar) {
    const auto source = store_source(store, session, "base");
    codec::LayerUnpacker unpacker{tar};
    CHECK_OK(
        session.wait_for(image::stream_blob(session, *source, blob, unpacker, session.wait())));
    return unpacker.finish();
}

}  // namespace lazybuild::exporter
