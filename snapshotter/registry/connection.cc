// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace lazybuild::registry {
namespace {

// A whole head fits, so that the parser always sees it in one piece; so does any chunk header.
constexpr std::size_t kBufferBytes = kResponseHeadBytesMax + (16 << 10);
constexpr int kInterimAnswersMax = 16;

}  // namespace

Connection::Connection(std::unique_ptr<Stream> stream, std::chrono::milliseconds idle_timeout)
    : stream_(std::move(stream)), idle_timeout_(idle_timeout), buffer_(kBufferBytes) {}

void Connection::begin_request() {
    has_answered_ = false;
    parser_ = ResponseParser(ResponseParser::Body::expected);
}

bool Connection::is_reusable() const {
    return !send_failed_ && buffered_bytes_ == 0 && parser_.keeps_alive();
}

io::Task<Result<void>> Connection::send(ByteView bytes, io::Wait wait) {
    // In pieces, so that the idle timeout is one of silence and not of the whole upload.
    constexpr std::size_t kPieceBytesMax = 256 << 10;
    while (!bytes.empty()) {
        const ByteView piece = bytes.first(std::min(bytes.size(), kPieceBytesMax));
        Result<void> sent = co_await stream_->write(piece, at_most(wait, idle_timeout_));
        if (!sent) {
            send_failed_ = true;
            co_return sent;
        }
        bytes = bytes.subspan(piece.size());
    }
    co_return Result<void>{};
}

// Receives at least one byte behind what is buffered; 0 when the peer has ended.
io::Task<Result<std::size_t>> Connection::fill(io::Wait wait) {
    if (buffer_start_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + buffer_start_, buffered_bytes_);
        buffer_start_ = 0;
    }
    const MutableByteView room = MutableByteView(buffer_).subspan(buffered_bytes_);
    if (room.empty()) {
        co_return fail(over_limit("the answer has a head or chunk line above our limit"));
    }
    Result<std::size_t> size = co_await stream_->read(room, at_most(wait, idle_timeout_));
    if (size) {
        buffered_bytes_ += *size;
        has_answered_ = has_answered_ || *size > 0;
    }
    co_return size;
}

void Connection::consume(std::size_t size_bytes) {
    buffered_bytes_ -= size_bytes;
    buffer_start_ = buffered_bytes_ == 0 ? 0 : buffer_start_ + size_bytes;
}

io::Task<Result<ResponseHead>> Connection::receive_head(ResponseParser::Body body, io::Wait wait) {
    for (int interim = 0; interim <= kInterimAnswersMax; ++interim) {
        parser_ = ResponseParser(body);
        while (!parser_.head_done()) {
            const ResponseParser::Progress progress =
                co_await io::or_return(parser_.feed(buffered(), {}));
            consume(progress.consumed_bytes);
            if (parser_.head_done() || progress.consumed_bytes > 0) {
                continue;
            }
            const std::size_t size = co_await io::or_return(co_await fill(wait));
            if (size == 0) {
                co_return fail(Error{std::errc::connection_reset,
                                     has_answered_ ? "the connection was closed in the middle of "
                                                     "the answer's head"
                                                   : "the connection was closed without an "
                                                     "answer"});
            }
        }
        const int status = parser_.head().status;
        if (status >= 200) {
            co_return parser_.head();
        }
        if (status == 101) {
            co_return fail(corrupt("the server switched protocols without being asked"));
        }
    }
    co_return fail(over_limit("the server sends interim answers without end"));
}

io::Task<Result<std::size_t>> Connection::receive_body(MutableByteView out, io::Wait wait) {
    while (!parser_.done()) {
        const ResponseParser::Progress progress =
            co_await io::or_return(parser_.feed(buffered(), out));
        consume(progress.consumed_bytes);
        if (progress.body_bytes > 0) {
            co_return progress.body_bytes;
        }
        if (progress.consumed_bytes > 0 || parser_.done()) {
            continue;
        }
        const std::size_t size = co_await io::or_return(co_await fill(wait));
        if (size == 0) {
            co_await io::or_return(parser_.end_of_input());
        }
    }
    co_return std::size_t{0};
}

}  // namespace lazybuild::registry
