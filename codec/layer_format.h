// SPDX-License-Identifier: Apache-2.0
// The formats of layers that can be mounted before they are here: those with an index in the blob.
// Whoever reads or writes layers goes through this table, so that a new format is one file pair
// here (estargz_format.h is the model) and one line in layer_format.cc.
//
// A plain tar, compressed or not, is no format of this table: it has no index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"
#include "codec/digest.h"
#include "codec/layer_writer.h"
#include "codec/media_type.h"
#include "codec/toc.h"

namespace lazybuild::codec {

/// Where in its blob a layer's index lies. Inside the blob, and not empty.
struct IndexPlace {
    std::uint64_t offset_bytes = 0;  ///< the blob's data ends here
    std::uint64_t size_bytes = 0;
};

/// Reads ranges of the compressed members that chunks lie in. Keeps its tables from call to call.
class ChunkReader {
  public:
    virtual ~ChunkReader() = default;
    /// Fills `out` with the uncompressed bytes [skip_bytes, skip_bytes + out.size()), counted from
    /// the member that starts at compressed[0]; `compressed` may end or go on behind them. Bytes
    /// are only as good as their digest, which the caller checks. Errors: bad_message, also when
    /// `compressed` holds fewer bytes than that.
    virtual Result<void> read(ByteView compressed, std::uint64_t skip_bytes,
                              MutableByteView out) = 0;
};

/// A whole blob, from its first byte to its last, as its bytes arrive: the layer's tar.
class BlobReader {
  public:
    virtual ~BlobReader() = default;
    /// Writes to `out` all that `compressed` gives, in pieces of bounded size. Errors: bad_message
    /// for what does not decompress; over_limit; those of `out` and of OnMember.
    virtual Result<void> push(ByteView compressed, ByteSink& out) = 0;
    /// The blob has ended. Errors: bad_message when that was in the middle.
    virtual Result<void> finish() = 0;
};

/// Called before the first byte of each compressed member, with the place of its first byte in what
/// was pushed: how a reader of a whole blob knows which chunk it is in.
using OnMember = std::function<Result<void>(std::uint64_t compressed_offset_bytes)>;

/// One format: what tells that a layer has it, and the functions that know it.
struct LayerFormat {
    std::string_view name;   ///< for --format and reports
    std::string_view title;  ///< in sentences
    /// In the files that the store keeps. Never changes, and never becomes another's.
    std::uint16_t number;

    Compression compression;          ///< of the media types that its layers have; no two share one
    std::string_view toc_annotation;  ///< of a layer: the digest of its TOC, as text
    std::size_t tail_bytes;           ///< of a blob's end, what find_index wants to see

    /// Looks at the last `tail_bytes` of a blob, or all of a smaller one; more does no harm.
    /// nullopt: the blob does not have this format. Errors: bad_message for an index that lies
    /// outside the blob; not_supported for one that is kept elsewhere.
    Result<std::optional<IndexPlace>> (*find_index)(ByteView tail, std::uint64_t blob_size_bytes);

    /// The index, as it is in the blob at `place`, as a tree. Errors: bad_message for what is no
    /// TOC, and when its digest is not `expected`, whatever else may be wrong with it; over_limit.
    Result<Toc> (*read_toc)(ByteView index, const IndexPlace& place,
                            const std::optional<Digest>& expected);
    /// The same as claims, for who reads the whole blob to find out whether they hold.
    Result<TocClaims> (*read_claims)(ByteView index, const std::optional<Digest>& expected);

    std::unique_ptr<ChunkReader> (*open_chunks)();
    std::unique_ptr<BlobReader> (*open_blob)(OnMember on_member, std::uint64_t output_bytes_max);

    const LayerWriter* writer;  ///< null: such layers can only be read
};

/// The table.
std::span<const LayerFormat* const> layer_formats();

/// Null when there is none.
const LayerFormat* find_layer_format(std::string_view name);
const LayerFormat* find_layer_format(std::uint16_t number);
/// The one that a layer of this media type has, if it has an index. Null: it cannot have one.
const LayerFormat* layer_format_for(std::string_view media_type);

/// Of the formats that can be written.
std::vector<std::string> writable_format_names();

/// A blob's index, found from the blob alone.
struct FoundIndex {
    const LayerFormat* format = nullptr;
    IndexPlace place;
};
/// `tail` is as for find_index, of any format. Errors: those of find_index; not_supported when the
/// blob has no format of the table.
Result<FoundIndex> find_layer_index(ByteView tail, std::uint64_t blob_size_bytes);

}  // namespace lazybuild::codec
