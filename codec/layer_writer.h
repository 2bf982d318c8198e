// SPDX-License-Identifier: Apache-2.0
// What writing a layer from a tar looks like, whatever the format: with what, how, and what is
// known afterwards.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "base/result.h"
#include "base/stream.h"
#include "base/workers.h"
#include "codec/byte_budget.h"
#include "codec/digest.h"
#include "codec/file_tree.h"
#include "codec/gzip_member.h"
#include "codec/oci_descriptor.h"

namespace lazybuild::codec {

/// Each format has its own limits on them: LayerWriter::check.
struct LayerOptions {
    int level = kMemberLevelDefault;               ///< of compression
    std::uint64_t chunk_size_bytes = kPieceBytes;  ///< of large files
    /// Small files share a compressed member until it holds this much of the tar; at 0 none do.
    std::uint64_t min_chunk_size_bytes = 0;
    std::vector<std::string> prioritized;  ///< paths in the order in which they are needed
    bool digest_source = true;  ///< of a stream; whoever made the tar himself need not be told
};

struct WrittenLayer {
    Digest blob;  ///< of the bytes written
    std::uint64_t blob_size_bytes = 0;
    Digest diff_id;                             ///< of the tar inside
    std::uint64_t uncompressed_size_bytes = 0;  ///< of the tar inside
    Digest toc;                                 ///< as a manifest annotates it
    /// Of LayerOptions::prioritized, as given, what the tar does not hold.
    std::vector<std::string> prioritized_missing;
};

/// A tar that becomes a layer while it arrives. Destroying it ends what is under way.
/// Threads: one caller at a time; what it writes to is written to on the workers' threads.
class LayerStream : public ByteSink {
  public:
    /// The tar has ended. Errors: as LayerWriter::write.
    virtual Result<WrittenLayer> finish() = 0;
    /// After an Error: the tar is one for LayerWriter::write, because its files have to change
    /// places.
    virtual bool out_of_order() const = 0;
    /// Why the last call failed; no code when it did not.
    virtual std::errc failure() const = 0;
    /// After finish(), with LayerOptions::digest_source: the digest of what was written to this,
    /// the source's diffID.
    virtual Digest source_digest() = 0;
};

/// How layers of one format are written: the functions behind `lazybuild convert`.
struct LayerWriter {
    /// Errors: invalid_argument, naming the option that is out of range.
    Result<void> (*check)(const LayerOptions& options);
    /// `options` pass check(), and nothing is prioritised. The others outlive the stream.
    std::unique_ptr<LayerStream> (*stream)(const LayerOptions& options, Workers& workers,
                                           ByteBudget& budget, ByteSink& out);
    /// The same bytes from any tar, when all of it is there. Errors: those of check(), of the tar
    /// and of `out`, and what the format cannot say; then `out` holds part of a blob.
    Result<WrittenLayer> (*write)(const RandomAccess& tar, const LayerOptions& options,
                                  Workers& workers, ByteBudget& budget, ByteSink& out);
    /// What a manifest says of the layer made from `source`.
    Descriptor (*describe)(const Descriptor& source, const WrittenLayer& made);
};

}  // namespace lazybuild::codec
