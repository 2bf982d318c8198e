// SPDX-License-Identifier: Apache-2.0
// Layers of one conversion, from a source to a target, in a format of codec/layer_format.h.
//
// A layer goes: source blob → unpacked → written, into a file of the target → stored, all at the
// same time and each byte once. When files have to change places, its tar goes through an unlinked
// temporary file instead. Nothing is stored before the source's digest and diffID were verified.
// Memory does not depend on the layer's size.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/image/image_source.h"
#include "builder/image/image_target.h"
#include "codec/byte_budget.h"
#include "codec/layer_format.h"
#include "snapshotter/io/semaphore.h"
#include "snapshotter/io/shared.h"

namespace lazybuild::image {

struct ConvertedLayer {
    codec::Descriptor descriptor;
    codec::Digest diff_id;
};

/// Each blob is converted once, however many images of an index name it.
/// Thread: the reactor's. Outlives its tasks.
class LayerConverter {
  public:
    /// `format` has a writer, which has checked `options`.
    LayerConverter(Session& session, ImageSource& source, ImageTarget& target,
                   const codec::LayerFormat& format, codec::LayerOptions options);

    /// `diff_id` is the config's for this layer. Errors: not_supported for what is no
    /// layer; bad_message for a damaged blob or another diffID; those of source and target.
    io::Task<Result<ConvertedLayer>> convert(codec::Descriptor layer, codec::Digest diff_id);

    /// Of LayerOptions::prioritized, what no layer held; nothing is known of layers that were
    /// passed through.
    std::vector<std::string> prioritized_nowhere() const;

  private:
    struct Outcome {
        ConvertedLayer layer;
        codec::Digest source_diff_id;
    };
    struct Written {
        SpoolFile file;
        codec::WrittenLayer blob = {};
        codec::Digest source_diff_id = {};
        std::string why_not_lazy = {};  ///< then there is no blob
    };
    io::Task<Result<Outcome>> convert_once(codec::Descriptor layer, codec::Digest diff_id);
    io::Task<Result<bool>> pass_through(codec::Descriptor layer);
    io::Task<Result<Outcome>> rewrite(codec::Descriptor layer, codec::Digest diff_id);
    io::Task<Result<std::optional<Written>>> write_in_one_go(codec::Descriptor layer);
    io::Task<Result<Written>> write_in_new_order(codec::Descriptor layer);
    io::Task<Result<Outcome>> keep_as_it_is(codec::Descriptor layer, codec::Digest diff_id,
                                            std::string why);

    Session& session_;
    ImageSource& source_;
    ImageTarget& target_;
    const codec::LayerFormat& format_;
    codec::LayerOptions options_;
    std::map<codec::Digest, io::Shared<Outcome>> layers_;
    std::map<std::string, std::size_t> missing_;  ///< path → layers without it
    std::size_t rewritten_ = 0;
    std::mutex check_mutex_;  // one index of a layer in memory at a time
    codec::ByteBudget budget_;
    io::Semaphore layers_at_once_;
    /// Apart from the session's, which wait for files and for peers. Last: its threads end before
    /// what they use.
    io::Pool workers_;
};

}  // namespace lazybuild::image
