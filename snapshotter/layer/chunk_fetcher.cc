// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/chunk_fetcher.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "snapshotter/io/operations.h"
#include "snapshotter/layer/chunk_decoder.h"

namespace lazybuild::layer {

using io::or_return;
namespace {

using store::ChunkIndex;
using store::ChunkRecord;

constexpr std::uint64_t kInflatedBytesMax = 16 << 20;  // of one request
constexpr std::uint64_t kStreakGapBytesMax = 16 << 10;
constexpr std::uint64_t kStreakWindowBytesMax = 1 << 20;
constexpr std::size_t kWrongBytesTriesMax = 2;
constexpr std::chrono::milliseconds kBackoffFirst{200};
constexpr std::chrono::milliseconds kBackoffMax{5'000};

std::uint64_t blob_end(const ChunkRecord& record) {
    return record.blob_offset_bytes + record.blob_size_bytes;
}

bool may_pass(const Error& error) {
    return error.code != std::errc::bad_message && error.code != std::errc::operation_canceled &&
           error.code != std::errc::timed_out;
}

}  // namespace

ChunkFetcher::ChunkFetcher(LayerContext& context, codec::Digest blob,
                           std::shared_ptr<store::LayerFiles> files,
                           std::shared_ptr<LayerCounters> counters, io::CancelToken cancel)
    : context_(context),
      blob_(blob),
      files_(std::move(files)),
      counters_(std::move(counters)),
      cancel_(std::move(cancel)) {}

io::Task<Result<void>> ChunkFetcher::make_present(std::uint64_t offset_bytes,
                                                  std::uint64_t size_bytes, io::Wait wait) {
    const Run run = files_->chunks().overlapping(offset_bytes, size_bytes);
    std::chrono::milliseconds backoff = kBackoffFirst;
    while (true) {
        Result<void> round = co_await one_round(run, wait);
        if (round) {
            co_return round;
        }
        if (!may_pass(round.error()) || io::Clock::now() + backoff >= wait.deadline) {
            co_return round;
        }
        const io::Wait pause{.deadline = io::deadline_in(backoff), .cancel = wait.cancel};
        Result<void> slept = co_await io::sleep(context_.reactor, pause);
        if (!slept) {
            co_return round;
        }
        backoff = std::min(backoff * 2, kBackoffMax);
    }
}

io::Task<Result<void>> ChunkFetcher::one_round(Run run, io::Wait wait) {
    co_await or_return(co_await await_stream(run, wait));
    co_await or_return(co_await take_claimed(run));
    // Requests end at chunks that others fetch, so that what is still missing afterwards, because
    // one of those failed, is seen by the next look.
    std::vector<std::shared_ptr<Request>> requests = requests_for(run);
    while (!requests.empty()) {
        for (const std::shared_ptr<Request>& request : requests) {
            co_await or_return(co_await request->done.wait(wait));
            Result<void> result = request->result;
            co_await or_return(std::move(result));
        }
        requests = requests_for(run);
    }
    co_return Result<void>{};
}

io::Task<Result<void>> ChunkFetcher::await_stream(Run run, io::Wait wait) {
    while (stream_end_bytes_ != 0) {
        bool coming = false;
        for (ChunkIndex chunk = run.begin; chunk < run.end && !coming; ++chunk) {
            coming = !files_->presence().has(chunk) &&
                     files_->chunks().records()[chunk].blob_offset_bytes < stream_end_bytes_;
        }
        if (!coming) {
            break;
        }
        std::shared_ptr<io::Event> step = stream_step_;
        co_await or_return(co_await step->wait(wait));
    }
    co_return Result<void>{};
}

void ChunkFetcher::stream_begins(std::uint64_t blob_end_bytes) {
    stream_end_bytes_ = blob_end_bytes;
    stream_step_ = std::make_shared<io::Event>(context_.reactor);
}

void ChunkFetcher::stream_step() {
    stream_step_->set();
    stream_step_ = std::make_shared<io::Event>(context_.reactor);
}

void ChunkFetcher::stream_ends() {
    stream_end_bytes_ = 0;
    stream_step_->set();
}

// Chunks that a crash of the machine left in doubt cost a digest, not a download.
io::Task<Result<void>> ChunkFetcher::take_claimed(Run run) {
    for (ChunkIndex chunk = run.begin; chunk < run.end; ++chunk) {
        if (files_->presence().has(chunk) || !files_->presence().claimed(chunk)) {
            continue;
        }
        std::shared_ptr<store::LayerFiles> files = files_;
        auto verify = [files, chunk] { return verify_claimed(*files, chunk); };
        Result<bool> verified =
            co_await io::run_on(context_.pool, context_.reactor, std::move(verify));
        co_await or_return(std::move(verified));
    }
    co_return Result<void>{};
}

std::vector<std::shared_ptr<ChunkFetcher::Request>> ChunkFetcher::requests_for(Run run) {
    std::vector<std::shared_ptr<Request>> requests;
    for (ChunkIndex chunk = run.begin; chunk < run.end;) {
        if (files_->presence().has(chunk)) {
            ++chunk;
            continue;
        }
        std::shared_ptr<Request> request = request_of(chunk);
        if (request == nullptr) {
            ChunkIndex end = chunk + 1;
            while (end < run.end && !files_->presence().has(end) && request_of(end) == nullptr) {
                ++end;
            }
            request = start({.begin = chunk, .end = end});
        }
        chunk = std::max(chunk + 1, request->run.end);
        requests.push_back(std::move(request));
    }
    return requests;
}

std::shared_ptr<ChunkFetcher::Request> ChunkFetcher::request_of(ChunkIndex chunk) const {
    auto after = requests_.upper_bound(chunk);
    if (after == requests_.begin()) {
        return nullptr;
    }
    const std::shared_ptr<Request>& request = std::prev(after)->second;
    return chunk < request->run.end ? request : nullptr;
}

std::shared_ptr<ChunkFetcher::Request> ChunkFetcher::start(Run missing) {
    auto request = std::make_shared<Request>(Run{.begin = missing.begin, .end = grown_end(missing)},
                                             context_.reactor);
    requests_.emplace(request->run.begin, request);
    context_.reactor.spawn(carry_out(shared_from_this(), request));
    return request;
}

// A request asks for what the link carries in a round trip anyway; for a reader that goes on where
// the last request ended, for twice as much each time. It ends before chunks that are here or on
// their way, and where inflating it would take too much memory. A required run is cut only by the
// last of these.
ChunkIndex ChunkFetcher::grown_end(Run missing) {
    const auto records = files_->chunks().records();
    const std::uint64_t begin = records[missing.begin].blob_offset_bytes;
    std::uint64_t window = context_.link.window_bytes();
    if (last_end_bytes_ != 0 && begin >= last_end_bytes_ &&
        begin - last_end_bytes_ <= kStreakGapBytesMax) {
        streak_window_bytes_ =
            std::min(std::max(window, streak_window_bytes_ * 2), kStreakWindowBytesMax);
        window = streak_window_bytes_;
    } else {
        streak_window_bytes_ = window;
    }
    std::uint64_t inflated = records[missing.begin].size_bytes;
    ChunkIndex end = missing.begin + 1;
    while (end < records.size() && inflated + records[end].size_bytes <= kInflatedBytesMax) {
        const bool required = end < missing.end;
        if (!required && (blob_end(records[end]) - begin > window || files_->presence().has(end) ||
                          request_of(end) != nullptr)) {
            break;
        }
        inflated += records[end].size_bytes;
        ++end;
    }
    last_end_bytes_ = blob_end(records[end - 1]);
    return end;
}

io::Task<void> ChunkFetcher::carry_out(std::shared_ptr<ChunkFetcher> self,
                                       std::shared_ptr<Request> request) {
    request->result = co_await self->fetch(request->run);
    self->requests_.erase(request->run.begin);
    request->done.set();
}

io::Task<Result<void>> ChunkFetcher::fetch(Run run) {
    const io::Wait wait{.deadline = io::deadline_in(context_.options.read_timeout),
                        .cancel = cancel_};
    std::string host = co_await or_return(co_await context_.origins.first_host(blob_));
    const io::Permit permit =
        co_await or_return(co_await context_.limits.fetch(std::move(host), wait));
    const auto records = files_->chunks().records();
    const std::uint64_t begin = records[run.begin].blob_offset_bytes;
    std::uint64_t end = 0;
    for (ChunkIndex chunk = run.begin; chunk < run.end; ++chunk) {
        end = std::max(end, blob_end(records[chunk]));
    }
    Result<void> decoded;
    for (std::size_t attempt = 0; attempt < kWrongBytesTriesMax; ++attempt) {
        const auto started = io::Clock::now();
        Bytes bytes = co_await or_return(
            co_await context_.origins.read(blob_, begin, end - begin, attempt, wait));
        context_.link.record(bytes.size(), io::Clock::now() - started);
        counters_->fetched_bytes += bytes.size();
        std::shared_ptr<store::LayerFiles> files = files_;
        auto decode = [files, run, begin, compressed = std::move(bytes)] {
            return decode_chunks(*files, run, begin, compressed);
        };
        decoded = co_await io::run_on(context_.pool, context_.reactor, std::move(decode));
        if (decoded || decoded.error().code != std::errc::bad_message) {
            break;
        }
    }
    co_return decoded;
}

}  // namespace lazybuild::layer
