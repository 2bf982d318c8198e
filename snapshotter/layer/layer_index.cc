// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/layer_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "codec/chain_tree.h"
#include "codec/layer_format.h"
#include "snapshotter/store/kept_toc.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::layer {

using io::or_return;
namespace {

constexpr std::uint64_t kBlobBytesMax = std::uint64_t{1} << 40;
constexpr std::uint64_t kCompressedTocBytesMax = 256 << 20;

// The end of a blob that is likely to hold all of its TOC: TOCs are about one to two hundredths of
// their blobs. Guessing low costs a round trip, guessing high costs bytes that reads may want.
std::uint64_t tail_guess(std::uint64_t blob_size_bytes) {
    constexpr std::uint64_t kTailBytesMin = 64 << 10;
    constexpr std::uint64_t kTailBytesMax = 4 << 20;
    return std::min(blob_size_bytes,
                    std::clamp(blob_size_bytes / 64, kTailBytesMin, kTailBytesMax));
}

struct Index {
    codec::FoundIndex found;
    Bytes bytes;  // as the blob has them
};

Result<codec::FoundIndex> find_index(ByteView tail, std::uint64_t blob_size_bytes) {
    TRY(const codec::FoundIndex found, codec::find_layer_index(tail, blob_size_bytes));
    if (blob_size_bytes - found.place.offset_bytes > kCompressedTocBytesMax) {
        return fail(over_limit("the table of contents is too large"));
    }
    return found;
}

io::Task<Result<Index>> fetch_index(LayerContext& context, codec::Digest blob,
                                    std::uint64_t blob_size_bytes, io::Wait wait) {
    const std::uint64_t guess = tail_guess(blob_size_bytes);
    const auto started = io::Clock::now();
    Bytes tail = co_await or_return(
        co_await context.origins.read(blob, blob_size_bytes - guess, guess, 0, wait));
    context.link.record(tail.size(), io::Clock::now() - started);
    const codec::FoundIndex found = co_await or_return(find_index(tail, blob_size_bytes));
    const std::uint64_t wanted = blob_size_bytes - found.place.offset_bytes;
    if (wanted <= tail.size()) {
        tail.erase(tail.begin(), tail.end() - static_cast<std::ptrdiff_t>(wanted));
    } else {
        const std::uint64_t missing = wanted - tail.size();
        Bytes head = co_await or_return(
            co_await context.origins.read(blob, found.place.offset_bytes, missing, 0, wait));
        head.insert(head.end(), tail.begin(), tail.end());
        tail = std::move(head);
    }
    tail.resize(found.place.size_bytes);  // without the footer
    co_return Index{.found = found, .bytes = std::move(tail)};
}

// On the pool: everything between the bytes of the index and the record.
Result<store::LayerRecord> store_index(store::Store& records, const LayerRequest& request,
                                       const Index& index, bool keep_tree) {
    const auto& [format, place] = index.found;
    TRY(const codec::Toc toc, format->read_toc(index.bytes, place, request.toc));
    if (const auto why = codec::why_inexact(toc.tree)) {
        return fail(Error{.code = std::errc::not_supported, .message = "the layer: " + *why});
    }
    const store::KeptToc kept{.bare_directories = codec::has_bare_directories(toc.tree),
                              .whiteouts = codec::has_whiteouts(toc.tree),
                              .format = format,
                              .toc_offset_bytes = place.offset_bytes};
    const store::NewLayer layer{.blob = request.blob,
                                .toc = request.toc,
                                .blob_size_bytes = request.blob_size_bytes,
                                .disk_size_bytes = toc.tree.disk_size_bytes,
                                .diff_id_claimed = request.diff_id,
                                .prefetch_end_bytes = toc.prefetch_end_bytes};
    TRY(const std::string staged, records.stage_layer());
    Result<void> made = kept.bare_directories || kept.whiteouts
                            ? store::write_kept_toc(staged, kept, index.bytes)
                            : Result<void>{};
    if (made) {
        made = store::make_layer_files(staged, toc.tree, request.blob, *format, place.offset_bytes);
    }
    if (made && keep_tree) {
        made = store::write_layer_index(staged, toc.tree);
    }
    Result<store::LayerRecord> record =
        made ? records.insert_layer(layer, staged) : std::unexpected(std::move(made).error());
    if (!record) {
        // The first failure is the one to report; a directory left behind goes at the next start.
        [[maybe_unused]] const auto removed = remove_tree(staged);
    }
    return record;
}

}  // namespace

io::Task<Result<store::LayerRecord>> make_index(LayerContext& context, LayerRequest request,
                                                io::Wait wait) {
    if (request.blob_size_bytes == 0 || request.blob_size_bytes > kBlobBytesMax) {
        co_return fail(
            over_limit(fmt::format("a layer blob of {} bytes", request.blob_size_bytes)));
    }
    store::Store& records = context.store;
    auto add_origin = [&records, &request] {
        return records.add_origin(request.blob, request.origin);
    };
    co_await or_return(co_await io::run_on(context.pool, context.reactor, std::move(add_origin)));
    const Index index = co_await or_return(
        co_await fetch_index(context, request.blob, request.blob_size_bytes, wait));
    const bool keep_tree = context.options.keep_index;
    auto keep = [&records, &request, &index, keep_tree] {
        return store_index(records, request, index, keep_tree);
    };
    co_return co_await io::run_on(context.pool, context.reactor, std::move(keep));
}

}  // namespace lazybuild::layer
