// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 messages as bytes, without a socket: a request's head is written, a response is parsed
// from whatever pieces arrive. Framing (Content-Length, chunked, until close) is Boost.Beast's
// parser; this header keeps Beast's compile time in one file.
//
// Source: RFC 9110 (semantics), RFC 9112 (HTTP/1.1 framing).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace lazybuild::registry {

inline constexpr std::size_t kResponseHeadBytesMax = 64 << 10;

struct Field {
    std::string name;
    std::string value;
};

struct RequestHead {
    std::string method = "GET";
    std::string target = "/";
    std::string host;  ///< the Host field
    std::vector<Field> fields;
};

/// The head with its empty line, HTTP/1.1. Errors: invalid_argument when a part would end its line
/// early (CR, LF, NUL), so that no token or name can add a field of its own.
Result<std::string> serialise(const RequestHead& head);

struct ResponseHead {
    int status = 0;
    std::string reason;
    std::vector<Field> fields;

    /// The first field of that name (in any case), without surrounding spaces.
    std::optional<std::string_view> field(std::string_view name) const;
    std::vector<std::string_view> all_fields(std::string_view name) const;
    /// Content-Length, when it is a number.
    std::optional<std::uint64_t> content_length() const;
};

/// "bytes FIRST-LAST/TOTAL", TOTAL may be "*".
struct ContentRange {
    std::uint64_t first_byte = 0;
    std::uint64_t last_byte = 0;  ///< inclusive
    std::optional<std::uint64_t> total_bytes;
};
/// nullopt for what is no such range, or one that contradicts itself.
std::optional<ContentRange> parse_content_range(std::string_view text);

/// One response, fed in pieces. After an Error it is of no further use.
class ResponseParser {
  public:
    enum class Body { expected, none };  ///< none: the answer to HEAD

    explicit ResponseParser(Body body);
    ResponseParser(ResponseParser&&) noexcept;
    ResponseParser& operator=(ResponseParser&&) noexcept;
    ~ResponseParser();

    struct Progress {
        std::size_t consumed_bytes = 0;  ///< of the input; the rest is to be offered again
        std::size_t body_bytes = 0;      ///< written to body_out
    };
    /// Until head_done() nothing is written to `body_out` and the call stops at the head's end.
    /// No progress at all means that more input is needed, or (with an empty body_out) more room.
    /// Errors: bad_message; over_limit's code for a head above kResponseHeadBytesMax.
    Result<Progress> feed(ByteView input, MutableByteView body_out);

    /// The peer closed. Errors: connection_reset when the message was not complete.
    Result<void> end_of_input();

    bool head_done() const;
    bool done() const;
    /// Valid once head_done().
    const ResponseHead& head() const;
    /// Whether the connection may carry another request once done().
    bool keeps_alive() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace lazybuild::registry
