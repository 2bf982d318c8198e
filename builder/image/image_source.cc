// SPDX-License-Identifier: Apache-2.0
#include "builder/image/image_source.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "codec/sha256.h"
#include "snapshotter/io/shared.h"

namespace lazybuild::image {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
/// Times that a stream may break without having given a byte.
constexpr int kBreaksMax = 3;

bool may_pass(std::errc code) {
    return code != std::errc::operation_canceled && code != std::errc::permission_denied &&
           code != std::errc::no_such_file_or_directory && code != std::errc::bad_message &&
           code != std::errc::invalid_argument;
}

// One blob on its way: reads on the reactor, digests and writes on the pool, one piece ahead.
class BlobPump {
  public:
    BlobPump(Session& session, ImageSource& source, codec::Descriptor blob, ByteSink& sink)
        : session_(session), source_(source), blob_(std::move(blob)), sink_(sink) {}

    io::Task<Result<void>> run(io::Wait wait);

  private:
    io::Task<Result<std::size_t>> fill(Bytes& buffer, io::Wait wait);
    io::Task<Result<void>> consume(ByteView piece);
    Result<void> consume_now(ByteView piece);

    Session& session_;
    ImageSource& source_;
    codec::Descriptor blob_;
    ByteSink& sink_;
    std::unique_ptr<registry::BlobStream> stream_;
    std::uint64_t read_bytes_ = 0;
    int breaks_ = 0;
    codec::Sha256 digest_;
    std::array<Bytes, 2> buffers_;
};

// Fills `buffer` as far as the blob goes; 0 is its end.
io::Task<Result<std::size_t>> BlobPump::fill(Bytes& buffer, io::Wait wait) {
    std::size_t filled = 0;
    while (filled < buffer.size()) {
        if (!stream_) {
            auto opened = co_await source_.open_blob(blob_, read_bytes_, wait);
            if (!opened) {
                co_return fail(std::move(opened).error());
            }
            stream_ = *std::move(opened);
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
        if (read_bytes_ > blob_.size_bytes) {
            co_return fail(corrupt(
                fmt::format("more than the {} bytes that its manifest says", blob_.size_bytes)));
        }
    }
    co_return filled;
}

Result<void> BlobPump::consume_now(ByteView piece) {
    digest_.update(piece);
    return sink_.write(piece);
}

io::Task<Result<void>> BlobPump::consume(ByteView piece) {
    auto job = [this, piece] { return consume_now(piece); };
    co_return co_await io::run_on(session_.pool(), session_.reactor(), std::move(job));
}

io::Task<Result<void>> BlobPump::run(io::Wait wait) {
    for (Bytes& buffer : buffers_) {
        buffer.resize(kPieceBytes);
    }
    std::optional<io::Shared<void>> consuming;
    std::size_t turn = 0;
    while (true) {
        Bytes& buffer = buffers_[turn];
        const Result<std::size_t> count = co_await fill(buffer, wait);
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
        const ByteView piece = ByteView{buffer}.first(*count);
        consuming.emplace(io::Shared<void>::start(session_.reactor(), consume(piece)));
        turn = 1 - turn;
    }
    if (read_bytes_ != blob_.size_bytes) {
        co_return fail(corrupt(
            fmt::format("{} bytes, where its manifest says {}", read_bytes_, blob_.size_bytes)));
    }
    const codec::Digest found = digest_.finish();
    if (found != blob_.digest) {
        co_return fail(
            corrupt(fmt::format("its bytes are those of {}; it is corrupt", found.text())));
    }
    co_return Result<void>{};
}

}  // namespace

Result<std::optional<Fd>> ImageSource::local_blob(const codec::Descriptor& /*blob*/) const {
    return std::nullopt;
}

io::Task<Result<void>> stream_blob(Session& session, ImageSource& source, codec::Descriptor blob,
                                   ByteSink& sink, io::Wait wait) {
    const std::string what = fmt::format("blob {} of {}", blob.digest.text(), source.name());
    BlobPump pump(session, source, std::move(blob), sink);
    const Result<void> pumped = co_await pump.run(wait);
    if (!pumped) {
        co_return fail(pumped.error().context(what));
    }
    co_return pumped;
}

io::Task<Result<Bytes>> read_blob(Session& session, ImageSource& source, codec::Descriptor blob,
                                  std::uint64_t limit_bytes, io::Wait wait) {
    if (blob.size_bytes > limit_bytes) {
        co_return fail(over_limit(fmt::format("blob {}: {} bytes, more than the {} allowed here",
                                              blob.digest.text(), blob.size_bytes, limit_bytes)));
    }
    MemorySink sink;
    co_await io::or_return(co_await stream_blob(session, source, blob, sink, wait));
    co_return std::move(sink).take();
}

}  // namespace lazybuild::image
