// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/layer_fill.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "snapshotter/io/operations.h"

namespace lazybuild::layer {

using io::or_return;
namespace {

// A request of the prefetch; more is several, so that memory stays bounded.
constexpr std::uint64_t kPrefetchPieceBytesMax = 32 << 20;
constexpr std::size_t kStreamPieceBytes = 256 << 10;
constexpr std::chrono::milliseconds kQuietCheck{100};
constexpr std::chrono::milliseconds kRetryFirst{1'000};
constexpr std::chrono::milliseconds kRetryMax{300'000};

}  // namespace

LayerFill::LayerFill(LayerContext& context, store::LayerRecord record,
                     std::shared_ptr<store::LayerFiles> files,
                     std::shared_ptr<ChunkFetcher> fetcher, std::shared_ptr<LayerCounters> counters,
                     io::CancelToken cancel)
    : context_(context),
      record_(record),
      files_(std::move(files)),
      fetcher_(std::move(fetcher)),
      counters_(std::move(counters)),
      cancel_(std::move(cancel)),
      pass_(std::make_shared<LayerPass>(files_)) {}

io::Task<FillOutcome> LayerFill::run() {
    if (context_.options.prefetch && record_.prefetch_end_bytes) {
        co_await prefetch();
    }
    if (!context_.options.background_fill && !context_.options.verify_first) {
        co_return FillOutcome::unfinished;
    }
    Result<void> filled = co_await fill();
    if (filled) {
        Result<FillOutcome> outcome = co_await conclude();
        if (outcome) {
            co_return *outcome;
        }
        filled = std::unexpected(std::move(outcome).error());
    }
    if (filled.error().code != std::errc::operation_canceled) {
        log::error("layer fill given up; reads still fetch what they need",
                   {{"layer", record_.blob.text()}, {"error", filled.error().message}});
    }
    co_return FillOutcome::unfinished;
}

io::Task<void> LayerFill::prefetch() {
    const std::uint64_t end = std::min(*record_.prefetch_end_bytes, record_.blob_size_bytes);
    fetcher_->stream_begins(end);
    Result<void> done = co_await prefetch_pieces(end);
    fetcher_->stream_ends();
    if (done) {
        log::info("layer prefetched", {{"layer", record_.blob.text()}, {"bytes", end}});
    } else if (done.error().code != std::errc::operation_canceled) {
        log::warning("layer prefetch failed; reads fetch what they need",
                     {{"layer", record_.blob.text()}, {"error", done.error().message}});
    }
}

io::Task<Result<void>> LayerFill::prefetch_pieces(std::uint64_t end_bytes) {
    while (pass_->offset_bytes() < end_bytes) {
        const std::uint64_t begin = pass_->offset_bytes();
        const std::uint64_t size = std::min(kPrefetchPieceBytesMax, end_bytes - begin);
        const io::Wait wait{.deadline = io::deadline_in(context_.options.read_timeout),
                            .cancel = cancel_};
        Bytes bytes =
            co_await or_return(co_await context_.origins.read(record_.blob, begin, size, 0, wait));
        counters_->fetched_bytes += bytes.size();
        // Readers look again after each step, so the steps are smaller than the request.
        for (std::size_t offset = 0; offset < bytes.size(); offset += kStreamPieceBytes) {
            const std::size_t count = std::min(kStreamPieceBytes, bytes.size() - offset);
            const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(offset);
            Bytes piece(from, from + static_cast<std::ptrdiff_t>(count));
            co_await or_return(co_await push(std::move(piece)));
            fetcher_->stream_step();
        }
    }
    co_return Result<void>{};
}

// Streams until the end of the blob, however often the network goes away in between. Wrong bytes
// get one more try from the start, since they may have been damaged on the way.
io::Task<Result<void>> LayerFill::fill() {
    std::string host = co_await or_return(co_await context_.origins.first_host(record_.blob));
    const io::Permit permit =
        co_await or_return(co_await context_.limits.fill(std::move(host), as_long_as_wanted()));
    bool started_over = false;
    std::chrono::milliseconds backoff = kRetryFirst;
    while (true) {
        const std::uint64_t before = pass_->offset_bytes();
        Result<void> streamed = co_await stream();
        if (streamed || streamed.error().code == std::errc::operation_canceled) {
            co_return streamed;
        }
        if (streamed.error().code == std::errc::bad_message) {
            if (started_over) {
                co_return streamed;
            }
            started_over = true;
            pass_ = std::make_shared<LayerPass>(files_);
        }
        backoff = pass_->offset_bytes() > before ? kRetryFirst : std::min(backoff * 2, kRetryMax);
        log::warning("layer fill interrupted", {{"layer", record_.blob.text()},
                                                {"offset_bytes", pass_->offset_bytes()},
                                                {"retry_in_ms", backoff.count()},
                                                {"error", streamed.error().message}});
        const io::Wait pause{.deadline = io::deadline_in(backoff), .cancel = cancel_};
        co_await or_return(co_await io::sleep(context_.reactor, pause));
    }
}

io::Task<Result<void>> LayerFill::stream() {
    co_await or_return(co_await wait_for_quiet());
    const std::uint64_t size = record_.blob_size_bytes;
    std::unique_ptr<registry::BlobStream> blob;
    while (pass_->offset_bytes() < size) {
        const io::Wait wait{.deadline = io::deadline_in(context_.options.read_timeout),
                            .cancel = cancel_};
        if (blob == nullptr) {
            blob = co_await or_return(
                co_await context_.origins.open(record_.blob, pass_->offset_bytes(), wait));
        }
        const std::uint64_t left = size - pass_->offset_bytes();
        Bytes piece(std::min<std::uint64_t>(kStreamPieceBytes, left));
        const std::size_t count = co_await or_return(co_await blob->read(piece, wait));
        if (count == 0) {
            co_return fail(corrupt("the blob ends before the size that the manifest says"));
        }
        piece.resize(count);
        counters_->fetched_bytes += count;
        co_await or_return(co_await push(std::move(piece)));
        if (yields()) {
            // The connection, and the bytes on their way in it, belong to who waits.
            blob.reset();
            co_await or_return(co_await wait_for_quiet());
        }
    }
    co_return Result<void>{};
}

bool LayerFill::yields() const {
    return !context_.options.verify_first &&
           !context_.demand.quiet_for(context_.options.fill_quiet);
}

io::Task<Result<void>> LayerFill::wait_for_quiet() {
    while (yields()) {
        const io::Wait pause{.deadline = io::deadline_in(kQuietCheck), .cancel = cancel_};
        co_await or_return(co_await io::sleep(context_.reactor, pause));
    }
    co_return Result<void>{};
}

io::Task<Result<void>> LayerFill::push(Bytes bytes) {
    std::shared_ptr<LayerPass> pass = pass_;
    auto job = [pass, piece = std::move(bytes)] { return pass->push(piece); };
    co_return co_await io::run_on(context_.pool, context_.reactor, std::move(job));
}

io::Task<Result<FillOutcome>> LayerFill::conclude() {
    std::shared_ptr<LayerPass> pass = pass_;
    auto finish = [pass] { return pass->finish(); };
    const LayerPass::Digests digests =
        co_await or_return(co_await io::run_on(context_.pool, context_.reactor, std::move(finish)));
    if (digests.blob != record_.blob) {
        co_return fail(corrupt("the whole blob has the digest " + digests.blob.text()));
    }
    if (record_.diff_id_claimed && digests.diff_id != *record_.diff_id_claimed) {
        co_return co_await quarantine("the layer's diffID is not the one that its image claims",
                                      digests.diff_id.text());
    }
    if (!files_->presence().has_all()) {
        co_return fail(corrupt("chunks are missing after a whole pass"));
    }
    std::shared_ptr<store::LayerFiles> files = files_;
    store::Store& records = context_.store;
    const store::LayerId id = record_.id;
    const codec::Digest diff_id = digests.diff_id;
    auto record_it = [files, &records, id, diff_id]() -> Result<void> {
        CHECK_OK(files->presence().flush());
        return records.set_layer_complete(id, diff_id);
    };
    co_await or_return(co_await io::run_on(context_.pool, context_.reactor, std::move(record_it)));
    log::info("layer complete",
              {{"layer", record_.blob.text()},
               {"diff_id", diff_id.text()},
               {"diff_id_checked", record_.diff_id_claimed ? "against the image" : "no claim"},
               {"bytes", record_.blob_size_bytes}});
    co_return FillOutcome::complete;
}

io::Task<FillOutcome> LayerFill::quarantine(std::string why, std::string found) {
    log::error("layer quarantined: reads of it fail from now on",
               {{"layer", record_.blob.text()},
                {"why", why},
                {"claimed", record_.diff_id_claimed->text()},
                {"found", found}});
    store::Store& records = context_.store;
    const store::LayerId id = record_.id;
    auto job = [&records, id] { return records.quarantine_layer(id); };
    Result<void> recorded = co_await io::run_on(context_.pool, context_.reactor, std::move(job));
    if (!recorded) {
        log::error("the quarantine could not be recorded", {{"error", recorded.error().message}});
    }
    co_return FillOutcome::quarantined;
}

}  // namespace lazybuild::layer
