// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/http_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <charconv>

#include "snapshotter/registry/text.h"

namespace lazybuild::registry {
namespace {

namespace http = boost::beast::http;

// Of a chunked body, the shortest end: "0", two line ends. Beast 1.81 asserts that it is offered at
// least so many bytes there, whatever the peer sends; as this much always follows, nothing is lost
// by waiting for it.
constexpr std::size_t kChunkedTailBytes = 5;

bool breaks_line(std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

// The whole of `text` as a decimal number.
std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

Error parse_error(const boost::beast::error_code& error) {
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
        return over_limit(
            fmt::format("the response's head is larger than {} bytes", kResponseHeadBytesMax));
    }
    return corrupt("the answer is not HTTP: " + error.message());
}

}  // namespace

Result<std::string> serialise(const RequestHead& head) {
    const bool line_is_plain = !head.method.empty() && !head.target.empty() &&
                               head.target.find(' ') == std::string::npos &&
                               !breaks_line(head.method) && !breaks_line(head.target) &&
                               !breaks_line(head.host);
    if (!line_is_plain) {
        return fail(invalid("a request with a malformed method, target or host"));
    }
    std::string text =
        fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", head.method, head.target, head.host);
    for (const Field& field : head.fields) {
        if (field.name.empty() || breaks_line(field.name) || breaks_line(field.value)) {
            return fail(invalid(fmt::format("a request with a malformed field {}", field.name)));
        }
        text += field.name + ": " + field.value + "\r\n";
    }
    text += "\r\n";
    return text;
}

std::optional<std::string_view> ResponseHead::field(std::string_view name) const {
    for (const Field& field : fields) {
        if (equal_ignoring_case(field.name, name)) {
            return field.value;
        }
    }
    return std::nullopt;
}

std::vector<std::string_view> ResponseHead::all_fields(std::string_view name) const {
    std::vector<std::string_view> values;
    for (const Field& field : fields) {
        if (equal_ignoring_case(field.name, name)) {
            values.emplace_back(field.value);
        }
    }
    return values;
}

std::optional<std::uint64_t> ResponseHead::content_length() const {
    const auto text = field("Content-Length");
    return text ? parse_number(*text) : std::nullopt;
}

std::optional<ContentRange> parse_content_range(std::string_view text) {
    constexpr std::string_view kUnit = "bytes ";
    if (text.size() < kUnit.size() || !equal_ignoring_case(text.substr(0, kUnit.size()), kUnit)) {
        return std::nullopt;
    }
    text.remove_prefix(kUnit.size());
    const std::size_t dash = text.find('-');
    const std::size_t slash = text.find('/');
    if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash) {
        return std::nullopt;
    }
    const auto first = parse_number(text.substr(0, dash));
    const auto last = parse_number(text.substr(dash + 1, slash - dash - 1));
    const std::string_view total_text = text.substr(slash + 1);
    const auto total = parse_number(total_text);
    if (!first || !last || *first > *last || (!total && total_text != "*") ||
        (total && *last >= *total)) {
        return std::nullopt;
    }
    return ContentRange{.first_byte = *first, .last_byte = *last, .total_bytes = total};
}

struct ResponseParser::State {
    http::response_parser<http::buffer_body> parser;
    ResponseHead head;

    void take_head() {
        const auto& message = parser.get();
        head.status = static_cast<int>(message.result_int());
        head.reason = std::string(message.reason());
        for (const auto& field : message) {
            head.fields.push_back({std::string(field.name_string()), std::string(field.value())});
        }
    }
};

ResponseParser::ResponseParser(Body body) : state_(std::make_unique<State>()) {
    state_->parser.header_limit(kResponseHeadBytesMax);
    // The caller bounds what it reads; Beast's default of 8 MiB would refuse every real layer.
    state_->parser.body_limit(boost::none);
    state_->parser.skip(body == Body::none);
}

ResponseParser::ResponseParser(ResponseParser&&) noexcept = default;
ResponseParser& ResponseParser::operator=(ResponseParser&&) noexcept = default;
ResponseParser::~ResponseParser() = default;

Result<ResponseParser::Progress> ResponseParser::feed(ByteView input, MutableByteView body_out) {
    auto& parser = state_->parser;
    Progress progress;
    while (!parser.is_done() && progress.consumed_bytes < input.size()) {
        const bool was_in_head = !parser.is_header_done();
        auto& body = parser.get().body();
        const MutableByteView room = body_out.subspan(progress.body_bytes);
        if (!was_in_head && room.empty()) {
            break;
        }
        const ByteView rest = input.subspan(progress.consumed_bytes);
        if (!was_in_head && parser.chunked() && rest.size() < kChunkedTailBytes) {
            break;
        }
        body.data = room.data();
        body.size = room.size();
        body.more = true;
        boost::beast::error_code error;
        const std::size_t used =
            parser.put(boost::asio::const_buffer(rest.data(), rest.size()), error);
        progress.consumed_bytes += used;
        if (!was_in_head) {
            progress.body_bytes += room.size() - body.size;
        }
        if (error == http::error::need_more) {
            break;
        }
        if (error && error != http::error::need_buffer) {
            return fail(parse_error(error));
        }
        if (was_in_head && parser.is_header_done()) {
            state_->take_head();
            break;
        }
    }
    return progress;
}

Result<void> ResponseParser::end_of_input() {
    if (state_->parser.is_done()) {
        return {};
    }
    boost::beast::error_code error;
    if (state_->parser.got_some()) {
        state_->parser.put_eof(error);
    }
    if (error || !state_->parser.is_done()) {
        return fail(Error{std::errc::connection_reset,
                          "the connection was closed in the middle of the answer"});
    }
    return {};
}

bool ResponseParser::head_done() const {
    return state_->parser.is_header_done();
}
bool ResponseParser::done() const {
    return state_->parser.is_done();
}
const ResponseHead& ResponseParser::head() const {
    return state_->head;
}
bool ResponseParser::keeps_alive() const {
    return state_->parser.is_done() && state_->parser.keep_alive();
}

}  // namespace lazybuild::registry
