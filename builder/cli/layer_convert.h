// SPDX-License-Identifier: Apache-2.0
// Layers of one conversion, from a source to a target, as eStargz.
//
// A layer goes: source blob → verified → unpacked into an unlinked temporary file, whose digest
// must be the diffID of the config → eStargz, into a file of the target → stored. Memory does not
// depend on the layer's size; disk space for its tar is needed meanwhile.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/cli/image_source.h"
#include "builder/cli/image_target.h"
#include "codec/estargz_writer.h"
#include "snapshotter/io/shared.h"

namespace lazybuild::cli {

struct ConvertedLayer {
    codec::Descriptor descriptor;
    codec::Digest diff_id;
};

/// Each blob is converted once, however many images of an index name it.
/// Thread: the reactor's. Outlives its tasks.
class LayerConverter {
  public:
    LayerConverter(Session& session, ImageSource& source, ImageTarget& target,
                   codec::EstargzOptions options);

    /// `diff_id` is the config's for this layer. Errors: not_supported for zstd and for what is no
    /// layer; bad_message for a damaged blob or another diffID; those of source and target.
    io::Task<Result<ConvertedLayer>> convert(codec::Descriptor layer, codec::Digest diff_id);

    /// Of EstargzOptions::prioritized, what no layer held; nothing is known of layers that were
    /// passed through.
    std::vector<std::string> prioritized_nowhere() const;

  private:
    struct Outcome {
        ConvertedLayer layer;
        codec::Digest source_diff_id;
    };
    struct Written {
        codec::EstargzResult blob;
        std::string why_not_lazy;  ///< empty: a lazy mount shows what an unpack does
    };
    io::Task<Result<Outcome>> convert_once(codec::Descriptor layer, codec::Digest diff_id);
    io::Task<Result<bool>> pass_through(codec::Descriptor layer);
    io::Task<Result<Outcome>> rewrite(codec::Descriptor layer);
    io::Task<Result<Outcome>> keep_as_it_is(codec::Descriptor layer, codec::Digest diff_id,
                                            std::string why);
    Result<Written> write(int tar, int blob) const;

    Session& session_;
    ImageSource& source_;
    ImageTarget& target_;
    codec::EstargzOptions options_;
    std::map<codec::Digest, io::Shared<Outcome>> layers_;
    std::map<std::string, std::size_t> missing_;  ///< path → layers without it
    std::size_t rewritten_ = 0;
};

}  // namespace lazybuild::cli
