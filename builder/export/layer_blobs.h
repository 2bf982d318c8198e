// SPDX-License-Identifier: Apache-2.0
// The layers of an image as blobs: those of its base are what they were, the others are taken from
// the store, or written once and kept there.
//
// What a blob holds depends on the layer and the options alone, never on what was exported before.
// A base's layer that has to be compressed otherwise keeps its tar, byte for byte, and so its
// diffID; as eStargz it cannot, for a TOC is a file of the tar.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/export/blob_flights.h"
#include "builder/export/exporter.h"
#include "builder/export/layer_content.h"
#include "codec/byte_budget.h"
#include "snapshotter/io/pool.h"

namespace lazybuild::exporter {

struct BlobOptions {
    layers::Compression compression = layers::Compression::estargz;
    int level = 0;
    bool force = false;                      ///< layers of bases get `compression`, too
    std::optional<std::int64_t> latest_s{};  ///< files of new layers are not younger
    bool squash = false;                     ///< new layers become one
    BlobFlights* flights = nullptr;          ///< of exports at the same time
};

/// A layer as a config and a manifest name it.
struct ImageLayer {
    codec::Descriptor descriptor;
    codec::Digest diff_id;
    bool from_base = false;  ///< it is the blob that a base has
    layers::Compression compression = layers::Compression::gzip;
    int level = -1;  ///< -1: not known
};

/// Of one output. Threads: one call at a time, not the reactor's.
class LayerBlobs {
  public:
    /// `ready`, if any, is called as soon as a blob is there, on any thread, several at once.
    using Ready = std::function<Result<void>(const ImageLayer&)>;
    LayerBlobs(layers::LayerStore& store, image::Session& session, BlobOptions options);

    /// Bottom first, one for each of `image.layer_ids` (or, squashed, one for all new ones).
    /// Errors: naming the layer; operation_canceled.
    Result<std::vector<ImageLayer>> of(const BuiltImage& image, const Ready& ready = {});

    /// Opens a layer; nullptr: it is nowhere.
    using Open = std::function<Result<layers::LayerPointer>(const codec::Digest&)>;
    /// The blob of each of `ids`, all different, as if it were the only one: an Error of one is no
    /// other's. Options that change contents have no effect. `ready` may not know the layer by its
    /// place, but by its number in `ids`.
    using ReadyOne = std::function<Result<void>(std::size_t index, const ImageLayer&)>;
    Result<std::vector<Result<ImageLayer>>> each(const std::vector<codec::Digest>& ids,
                                                 const Open& open, const ReadyOne& ready);

  private:
    /// A layer on its way to a blob; `id` names what will be in it.
    struct Work {
        codec::Digest id;
        std::optional<layers::LayerBlob> blob;
        std::optional<LayerContent> content;  ///< instead of the layer's own
        /// Its tar, compressed otherwise, is what the blob must hold.
        std::optional<layers::LayerBlob> base;
        bool here = false;  ///< a blob of a cache will not do
    };
    using Tell = std::function<Result<void>(const ImageLayer&)>;
    Result<std::vector<Work>> plan(const BuiltImage& image);
    Result<std::optional<layers::LayerBlob>> base_blob(const codec::Digest& layer);
    Result<std::optional<layers::LayerBlob>> kept_blob(const Work& work);
    Result<void> find_known_blob(Work& work);
    Result<std::vector<Work>> change_contents(const BuiltImage& image, std::vector<Work> plan);
    Result<void> finish(Work& work, const Open& open);
    Result<void> finish_and_tell(Work& work, const Open& open, const Tell& tell);
    Result<ImageLayer> one(const codec::Digest& id, const Open& open, const Tell& tell);
    Result<std::string> prepare_to_write();
    Result<layers::LayerPointer> layer_of(const BuiltImage& image, const codec::Digest& layer);
    Result<layers::LayerBlob> write(const Work& work);
    Result<layers::LayerBlob> write_estargz(const LayerContent& content, ByteSink& out);
    Result<layers::LayerBlob> write_plain(const Work& work, ByteSink& out);

    layers::LayerStore& store_;
    image::Session& session_;
    const BlobOptions options_;
    std::mutex mutex_;  // guards what follows
    std::optional<layers::Snapshot> snapshot_;
    std::string directory_;
    codec::ByteBudget budget_;
    /// Apart from the session's, which wait for peers; made when there is something to write.
    /// Last: its threads end first.
    std::optional<io::Pool> workers_;
};

}  // namespace lazybuild::exporter
