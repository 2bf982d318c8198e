// SPDX-License-Identifier: Apache-2.0
// One HTTP/1.1 connection: a request goes out, its response comes in, then the next. No pipelining.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/registry/http_message.h"
#include "snapshotter/registry/stream.h"

namespace lazybuild::registry {

/// One operation at a time. Thread: the reactor's. Every wait for the peer also ends when no byte
/// moved for `idle_timeout` (timed_out).
class Connection {
  public:
    Connection(std::unique_ptr<Stream> stream, std::chrono::milliseconds idle_timeout);

    /// Sends a part of a request: its head, or some of its body. Not before the response to the
    /// request before was read to its end.
    io::Task<Result<void>> send(ByteView bytes, io::Wait wait);

    /// The head of the response; 1xx answers are stepped over. `body`: none for HEAD.
    io::Task<Result<ResponseHead>> receive_head(ResponseParser::Body body, io::Wait wait);

    /// Some of the response's body into a prefix of `out` (not empty); 0 at its end. Not after an
    /// Error.
    io::Task<Result<std::size_t>> receive_body(MutableByteView out, io::Wait wait);

    /// Whether any byte of a response has arrived since the last send of a head.
    bool has_answered() const { return has_answered_; }
    /// The response was read to its end, and the peer keeps the connection open.
    bool is_reusable() const;
    /// A kept connection that the peer has not closed meanwhile, as far as one can see.
    bool is_quiet() const { return stream_->is_quiet(); }
    /// Before each request. Until its response was read to its end, is_reusable() is false.
    void begin_request();

  private:
    io::Task<Result<std::size_t>> fill(io::Wait wait);
    void consume(std::size_t size_bytes);
    ByteView buffered() const { return ByteView(buffer_).subspan(buffer_start_, buffered_bytes_); }

    std::unique_ptr<Stream> stream_;
    const std::chrono::milliseconds idle_timeout_;
    ResponseParser parser_{ResponseParser::Body::expected};
    Bytes buffer_;  // received and not yet parsed: [buffer_start_, + buffered_bytes_)
    std::size_t buffer_start_ = 0;
    std::size_t buffered_bytes_ = 0;
    bool has_answered_ = false;
    bool send_failed_ = false;
};

}  // namespace lazybuild::registry
