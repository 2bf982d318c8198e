// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/blob_pump.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "snapshotter/io/shared.h"

namespace lazybuild::layer {

using io::or_return;
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
/// Times that a stream may break without having given a byte.
constexpr int kBreaksMax = 3;

bool may_pass(std::errc code) {
    return code != std::errc::operation_canceled && code != std::errc::permission_denied &&
           code != std::errc::no_such_file_or_directory && code != std::errc::bad_message &&
           code != std::errc::invalid_argument;
}

class Pump {
  public:
    Pump(io::Reactor& reactor, io::Pool& pool, BlobOpener open, std::uint64_t blob_size_bytes,
         ByteSink& sink, OnFetched fetched)
        : reactor_(reactor),
          pool_(pool),
          open_(std::move(open)),
          blob_size_bytes_(blob_size_bytes),
          sink_(sink),
          fetched_(std::move(fetched)) {}

    io::Task<Result<void>> run(io::Wait wait);

  private:
    io::Task<Result<std::size_t>> fill(Bytes& buffer, io::Wait wait);
    io::Task<Result<void>> consume(ByteView piece);

    io::Reactor& reactor_;
    io::Pool& pool_;
    const BlobOpener open_;
    const std::uint64_t blob_size_bytes_;
    ByteSink& sink_;
    const OnFetched fetched_;
    std::unique_ptr<registry::BlobStream> stream_;
    std::uint64_t read_bytes_ = 0;
    int breaks_ = 0;
};

// Fills `buffer` as far as the blob goes; 0 is its end.
io::Task<Result<std::size_t>> Pump::fill(Bytes& buffer, io::Wait wait) {
    std::size_t filled = 0;
    while (filled < buffer.size()) {
        if (stream_ == nullptr) {
            stream_ = co_await or_return(co_await open_(read_bytes_, wait));
        }
        const MutableByteView rest = MutableByteView{buffer}.subspan(filled);
        auto count = co_await stream_->read(rest, wait);
        if (!count) {
            stream_.reset();
            // What broke at the very end needs no second try: the digest decides.
            const bool hopeless = !may_pass(count.error().code) || ++breaks_ > kBreaksMax;
            if (hopeless) {
                co_return fail(std::move(count).error());
            }
            continue;
        }
        if (*count == 0) {
            break;
        }
        breaks_ = 0;
        filled += *count;
        read_bytes_ += *count;
        if (fetched_) {
            fetched_(*count);
        }
        if (read_bytes_ > blob_size_bytes_) {
            co_return fail(corrupt(
                fmt::format("more than the {} bytes that its manifest says", blob_size_bytes_)));
        }
    }
    co_return filled;
}

io::Task<Result<void>> Pump::consume(ByteView piece) {
    auto job = [this, piece] { return sink_.write(piece); };
    co_return co_await io::run_on(pool_, reactor_, std::move(job));
}

io::Task<Result<void>> Pump::run(io::Wait wait) {
    std::array<Bytes, 2> buffers{Bytes(kPieceBytes), Bytes(kPieceBytes)};
    std::optional<io::Shared<void>> consuming;
    for (std::size_t turn = 0;; turn = 1 - turn) {
        const Result<std::size_t> count = co_await fill(buffers[turn], wait);
        if (consuming) {
            // Always to its end: it refers to the other buffer.
            const Result<void> consumed = co_await consuming->result();
            consuming.reset();
            if (!consumed) {
                co_return consumed;
            }
        }
        if (!count) {
            co_return fail(count.error());
        }
        if (*count == 0) {
            break;
        }
        const ByteView piece = ByteView{buffers[turn]}.first(*count);
        consuming.emplace(io::Shared<void>::start(reactor_, consume(piece)));
    }
    if (read_bytes_ != blob_size_bytes_) {
        co_return fail(corrupt(
            fmt::format("{} bytes, where its manifest says {}", read_bytes_, blob_size_bytes_)));
    }
    co_return Result<void>{};
}

}  // namespace

io::Task<Result<void>> pump_blob(io::Reactor& reactor, io::Pool& pool, BlobOpener open,
                                 std::uint64_t blob_size_bytes, ByteSink& sink, OnFetched fetched,
                                 io::Wait wait) {
    Pump pump{reactor, pool, std::move(open), blob_size_bytes, sink, std::move(fetched)};
    co_return co_await pump.run(std::move(wait));
}

}  // namespace lazybuild::layer
