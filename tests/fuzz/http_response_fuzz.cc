// SPDX-License-Identifier: Apache-2.0
// HTTP responses in pieces of every size: the result must not depend on how the bytes arrived.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "snapshotter/registry/http_message.h"

namespace {

using lazybuild::ByteView;
using lazybuild::registry::ResponseParser;

struct Outcome {
    bool done = false;
    int status = 0;
    std::string body;
    std::size_t consumed_bytes = 0;

    bool operator==(const Outcome&) const = default;
};

// nullopt: an error.
std::optional<Outcome> parse(ByteView input, std::size_t piece_bytes, ResponseParser::Body kind) {
    ResponseParser parser(kind);
    Outcome outcome;
    lazybuild::Bytes room(97);
    std::size_t available = 0;
    while (!parser.done()) {
        const ByteView fresh = input.first(available).subspan(outcome.consumed_bytes);
        const auto progress = parser.feed(fresh, room);
        if (!progress) {
            return std::nullopt;
        }
        outcome.consumed_bytes += progress->consumed_bytes;
        outcome.body += lazybuild::as_text(ByteView(room).first(progress->body_bytes));
        if (progress->consumed_bytes > 0) {
            continue;
        }
        if (available == input.size()) {
            if (!parser.end_of_input()) {
                return std::nullopt;
            }
            break;
        }
        available = std::min(input.size(), available + piece_bytes);
    }
    outcome.done = parser.done();
    outcome.status = parser.head().status;
    const auto range = parser.head().field("Content-Range");
    if (range) {
        static_cast<void>(lazybuild::registry::parse_content_range(*range));
    }
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView input(reinterpret_cast<const std::byte*>(data), size);
    for (const auto kind : {ResponseParser::Body::expected, ResponseParser::Body::none}) {
        const auto whole = parse(input, size + 1, kind);
        for (const std::size_t piece : {1U, 13U}) {
            const auto pieces = parse(input, piece, kind);
            if (whole != pieces) {
                std::abort();
            }
        }
    }
    return 0;
}
