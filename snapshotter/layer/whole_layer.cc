// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/whole_layer.h"

#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "codec/chain_tree.h"
#include "snapshotter/layer/plain_layer.h"
#include "snapshotter/store/kept_toc.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::layer {

using io::or_return;
namespace {

// On the pool: the record, and what the store's other readers expect to find in a directory.
Result<store::LayerRecord> store_whole(store::Store& records, const LayerRequest& request,
                                       const PlainLayer& plain, const std::string& staged) {
    const codec::FileTree& tree = *plain.disk.tree;
    if (const auto why = codec::why_inexact(tree)) {
        return fail(Error{.code = std::errc::not_supported, .message = "the layer: " + *why});
    }
    const store::KeptToc kept{.bare_directories = codec::has_bare_directories(tree),
                              .whiteouts = codec::has_whiteouts(tree)};
    if (kept.bare_directories || kept.whiteouts) {
        CHECK_OK(store::write_kept_toc(staged, kept, {}));
    }
    CHECK_OK(store::finish_whole_layer(staged, tree.disk_size_bytes));
    return records.insert_layer({.blob = request.blob,
                                 .toc = request.toc,
                                 .blob_size_bytes = request.blob_size_bytes,
                                 .disk_size_bytes = tree.disk_size_bytes,
                                 .diff_id_claimed = request.diff_id,
                                 .diff_id_verified = plain.diff_id},
                                staged);
}

io::Task<Result<store::LayerRecord>> unpack_and_store(LayerContext& context,
                                                      const LayerRequest& request,
                                                      const std::string& staged, io::Wait wait) {
    BlobOrigins& origins = context.origins;
    auto open = [&origins, blob = request.blob](std::uint64_t offset_bytes, io::Wait until) {
        return origins.open(blob, offset_bytes, std::move(until));
    };
    const PlainRequest wanted{.blob = request.blob,
                              .blob_size_bytes = request.blob_size_bytes,
                              .diff_id = request.diff_id};
    const store::DiskWriterOptions options{.identity = request.blob};
    const PlainLayer plain =
        co_await or_return(co_await unpack_plain(context.reactor, context.pool, std::move(open),
                                                 wanted, staged, options, {}, std::move(wait)));
    store::Store& records = context.store;
    auto keep = [&records, &request, &plain, &staged] {
        return store_whole(records, request, plain, staged);
    };
    co_return co_await io::run_on(context.pool, context.reactor, std::move(keep));
}

}  // namespace

io::Task<Result<store::LayerRecord>> make_whole(LayerContext& context, LayerRequest request,
                                                io::Wait wait) {
    if (!request.diff_id) {
        co_return fail(invalid("nothing says what the layer's diffID has to be"));
    }
    const io::Permit permit = co_await or_return(co_await context.whole_layers.acquire(wait));
    const Demand demand{context.demand};
    store::Store& records = context.store;
    auto stage = [&records, &request]() -> Result<std::string> {
        CHECK_OK(records.add_origin(request.blob, request.origin));
        return records.stage_layer();
    };
    const std::string staged =
        co_await or_return(co_await io::run_on(context.pool, context.reactor, std::move(stage)));
    auto made = co_await unpack_and_store(context, request, staged, std::move(wait));
    if (!made) {
        // The first failure is the one to report; a directory left behind goes at the next start.
        auto remove = [&staged] { [[maybe_unused]] const auto removed = remove_tree(staged); };
        co_await io::run_on(context.pool, context.reactor, std::move(remove));
        co_return made;
    }
    log::info("layer complete", {{"layer", request.blob.text()},
                                 {"diff_id", request.diff_id->text()},
                                 {"diff_id_checked", "against the image"},
                                 {"unpacked", "in one pass"},
                                 {"bytes", request.blob_size_bytes}});
    co_return made;
}

}  // namespace lazybuild::layer
