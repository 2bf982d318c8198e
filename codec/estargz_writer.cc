// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "codec/estargz_cutter.h"
#include "codec/estargz_order.h"
#include "codec/estargz_pipeline.h"
#include "codec/estargz_toc.h"
#include "codec/tar.h"

namespace lazybuild::codec {
namespace {

constexpr std::size_t kCopyBytes = 256 << 10;
constexpr std::uint64_t kChunkSizeBytesMin = 4 << 10;
/// Without workers there is one batch at a time.
constexpr std::uint64_t kBudgetBytes = 1;

/// Feeds entries from a tar that lies in a file to a cutter.
class EntryCopy {
  public:
    EntryCopy(const RandomAccess& tar, EstargzCutter& cutter)
        : tar_(tar), cutter_(cutter), buffer_(kCopyBytes) {}

    Result<void> copy(const TarEntry& next) {
        header_.resize(next.payload_offset_bytes - next.header_offset_bytes);
        CHECK_OK(tar_.read_at(next.header_offset_bytes, header_));
        CHECK_OK(cutter_.begin_entry(next, header_));
        for (std::uint64_t done = 0; done < next.entry.size_bytes;) {
            const MutableByteView piece = MutableByteView{buffer_}.first(static_cast<std::size_t>(
                std::min<std::uint64_t>(next.entry.size_bytes - done, kCopyBytes)));
            if (auto read = tar_.read_at(next.payload_offset_bytes + done, piece); !read) {
                return fail(std::move(read).error().context(next.entry.path));
            }
            CHECK_OK(cutter_.payload(piece));
            done += piece.size();
        }
        return {};
    }

  private:
    const RandomAccess& tar_;
    EstargzCutter& cutter_;
    Bytes header_;
    Bytes buffer_;
};

}  // namespace

Result<void> check_options(const EstargzOptions& options) {
    if (options.level < kMemberLevelMin || options.level > kMemberLevelMax) {
        return fail(invalid(fmt::format("compression level {}: it must be {} to {}", options.level,
                                        kMemberLevelMin, kMemberLevelMax)));
    }
    if (options.chunk_size_bytes < kChunkSizeBytesMin ||
        options.chunk_size_bytes > kChunkBytesMax) {
        return fail(
            invalid(fmt::format("chunk size {}: it must be {} to {} bytes",
                                options.chunk_size_bytes, kChunkSizeBytesMin, kChunkBytesMax)));
    }
    if (options.min_chunk_size_bytes > kChunkBytesMax) {
        return fail(invalid(fmt::format("minimal chunk size {}: it must be 0 to {} bytes",
                                        options.min_chunk_size_bytes, kChunkBytesMax)));
    }
    return {};
}

Result<EstargzResult> write_estargz(const RandomAccess& tar, const EstargzOptions& options,
                                    Workers& workers, ByteBudget& budget, ByteSink& out) {
    CHECK_OK(check_options(options));
    TRY(std::vector<TarEntry> found, index_tar(tar));
    TRY(EstargzOrder order, order_for_estargz(std::move(found), options.prioritized));
    EstargzPipeline pipeline({.level = options.level, .chunk_bytes = options.chunk_size_bytes},
                             workers, budget, out);
    EstargzCutter cutter(
        {.chunk_bytes = options.chunk_size_bytes, .member_bytes_min = options.min_chunk_size_bytes},
        [&pipeline](std::unique_ptr<EstargzBatch> batch) {
            return pipeline.push(std::move(batch));
        });
    EntryCopy entries(tar, cutter);
    const std::size_t first_count = order.prioritized_count;
    for (std::size_t i = 0; i < first_count; ++i) {
        CHECK_OK(entries.copy(order.entries[i]));
    }
    CHECK_OK(cutter.landmark(first_count > 0));
    for (std::size_t i = first_count; i < order.entries.size(); ++i) {
        CHECK_OK(entries.copy(order.entries[i]));
    }
    CHECK_OK(cutter.finish());
    TRY(const EstargzBlob made, pipeline.finish());
    return EstargzResult{.blob = made.blob,
                         .blob_size_bytes = made.blob_size_bytes,
                         .diff_id = made.diff_id,
                         .uncompressed_size_bytes = made.uncompressed_size_bytes,
                         .toc = made.toc,
                         .prioritized_missing = std::move(order.not_found)};
}

Result<EstargzResult> write_estargz(const RandomAccess& tar, const EstargzOptions& options,
                                    ByteSink& out) {
    CallerWorkers nobody;
    ByteBudget budget(kBudgetBytes);
    return write_estargz(tar, options, nobody, budget, out);
}

}  // namespace lazybuild::codec
