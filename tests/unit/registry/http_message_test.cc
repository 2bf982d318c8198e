// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/http_message.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace lazybuild::registry {
namespace {

struct Parsed {
    ResponseHead head;
    std::string body;
    bool done = false;
    bool keeps_alive = false;
    std::size_t consumed_bytes = 0;
};

// Feeds `text` in pieces of `piece_bytes`, with a body buffer of `room_bytes`, then its end.
Result<Parsed> parse(std::string_view text, std::size_t piece_bytes = 1 << 20,
                     std::size_t room_bytes = 1 << 16,
                     ResponseParser::Body body = ResponseParser::Body::expected) {
    ResponseParser parser(body);
    Parsed parsed;
    Bytes room(room_bytes);
    std::size_t available = 0;
    while (!parser.done()) {
        const ByteView input = as_bytes(text.substr(0, available)).subspan(parsed.consumed_bytes);
        TRY(const auto progress, parser.feed(input, room));
        parsed.consumed_bytes += progress.consumed_bytes;
        parsed.body += as_text(ByteView(room).first(progress.body_bytes));
        if (progress.consumed_bytes > 0) {
            continue;
        }
        if (available == text.size()) {
            CHECK_OK(parser.end_of_input());
            break;
        }
        available = std::min(available + piece_bytes, text.size());
    }
    parsed.head = parser.head();
    parsed.done = parser.done();
    parsed.keeps_alive = parser.keeps_alive();
    return parsed;
}

std::errc error_of(std::string_view text) {
    const auto parsed = parse(text);
    return parsed ? std::errc{} : parsed.error().code;
}

constexpr std::string_view kPlain =
    "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nX-A:  b \r\nx-a: c\r\n\r\nhello";
constexpr std::string_view kChunked =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5;ext=\"x\"\r\nhello\r\n1\r\n,\r\n6\r\n world\r\n0\r\nTrailer: t\r\n\r\n";

TEST(ResponseParser, reads_head_and_body) {
    const auto parsed = parse(kPlain);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->head.status, 206);
    EXPECT_EQ(parsed->head.reason, "Partial Content");
    EXPECT_EQ(parsed->head.field("X-a"), "b");
    EXPECT_EQ(parsed->head.all_fields("X-A").size(), 2U);
    EXPECT_EQ(parsed->head.content_length(), 5U);
    EXPECT_EQ(parsed->body, "hello");
    EXPECT_TRUE(parsed->keeps_alive);
}

TEST(ResponseParser, reads_the_same_in_any_pieces) {
    for (const std::string_view text : {kPlain, kChunked}) {
        const auto whole = parse(text);
        ASSERT_TRUE(whole) << whole.error().message;
        EXPECT_EQ(whole->consumed_bytes, text.size());
        for (const std::size_t piece : {1U, 2U, 3U, 7U, 50U}) {
            for (const std::size_t room : {1U, 2U, 3U, 100U}) {
                const auto parsed = parse(text, piece, room);
                ASSERT_TRUE(parsed) << parsed.error().message;
                EXPECT_EQ(parsed->body, whole->body);
                EXPECT_TRUE(parsed->keeps_alive);
            }
        }
    }
    EXPECT_EQ(parse(kChunked)->body, "hello, world");
}

TEST(ResponseParser, leaves_what_follows_the_message) {
    const auto parsed = parse(std::string(kPlain) + "HTTP/1.1 500");
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->consumed_bytes, kPlain.size());
}

TEST(ResponseParser, knows_messages_without_a_body) {
    EXPECT_TRUE(parse("HTTP/1.1 204 No Content\r\n\r\n")->keeps_alive);
    EXPECT_TRUE(parse("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")->keeps_alive);
    const auto head = parse("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", 1 << 20, 1 << 16,
                            ResponseParser::Body::none);
    ASSERT_TRUE(head);
    EXPECT_EQ(head->head.content_length(), 99U);
    EXPECT_TRUE(head->done);
}

TEST(ResponseParser, reads_to_the_end_of_an_unframed_body) {
    const auto parsed = parse("HTTP/1.0 200 OK\r\n\r\nall of it");
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->body, "all of it");
    EXPECT_FALSE(parsed->keeps_alive);
}

TEST(ResponseParser, does_not_keep_what_the_server_closes) {
    EXPECT_FALSE(
        parse("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx")->keeps_alive);
}

TEST(ResponseParser, notices_truncation) {
    for (const std::string_view text : {kPlain, kChunked}) {
        for (std::size_t size = 0; size < text.size(); ++size) {
            EXPECT_EQ(error_of(text.substr(0, size)), std::errc::connection_reset) << size;
        }
    }
}

TEST(ResponseParser, rejects_garbage) {
    for (const std::string_view text :
         {"\x15\x03\x01\x02\x02\x16\r\n\r\n", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n",
          "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcdefgh\r\n"}) {
        EXPECT_EQ(error_of(text), std::errc::bad_message) << text;
    }
}

TEST(ResponseParser, limits_the_head) {
    const std::string big(kResponseHeadBytesMax, 'x');
    EXPECT_EQ(error_of("HTTP/1.1 200 OK\r\nX: " + big + "\r\n\r\n"),
              std::errc::argument_out_of_domain);
    std::string many = "HTTP/1.1 200 OK\r\n";
    while (many.size() < 2 * kResponseHeadBytesMax) {
        many += "A: b\r\n";
    }
    EXPECT_EQ(error_of(many + "\r\n"), std::errc::argument_out_of_domain);
}

TEST(RequestHead, is_written_as_lines) {
    const auto text = serialise({.method = "HEAD",
                                 .target = "/v2/",
                                 .host = "r:5000",
                                 .fields = {{"Accept", "a, b"}, {"Range", "bytes=0-1"}}});
    ASSERT_TRUE(text);
    EXPECT_EQ(*text,
              "HEAD /v2/ HTTP/1.1\r\nHost: r:5000\r\nAccept: a, b\r\n"
              "Range: bytes=0-1\r\n\r\n");
}

TEST(RequestHead, cannot_be_split) {
    EXPECT_FALSE(serialise({.target = "/a\r\nX: y", .host = "r"}));
    EXPECT_FALSE(serialise({.target = "/a b", .host = "r"}));
    EXPECT_FALSE(serialise({.target = "/a", .host = "r\nX: y"}));
    EXPECT_FALSE(
        serialise({.target = "/a", .host = "r", .fields = {{"Authorization", "a\r\nX: y"}}}));
    EXPECT_FALSE(serialise({.target = "/a", .host = "r", .fields = {{"A\n", "b"}}}));
}

TEST(ContentRange, is_first_last_and_total) {
    const auto range = parse_content_range("bytes 5-9/100");
    ASSERT_TRUE(range);
    EXPECT_EQ(range->first_byte, 5U);
    EXPECT_EQ(range->last_byte, 9U);
    EXPECT_EQ(range->total_bytes, 100U);
    EXPECT_FALSE(parse_content_range("bytes 0-0/*")->total_bytes);
}

TEST(ContentRange, must_make_sense) {
    for (const std::string_view text :
         {"", "bytes", "bytes ", "bytes 9-5/100", "bytes 5-100/100", "bytes 5-9", "bytes */100",
          "octets 5-9/100", "bytes -9/100", "bytes 5-/100", "bytes 5-9/x", "bytes 5-9/",
          "bytes +5-9/100", "bytes 5 - 9/100", "bytes 5/9-100"}) {
        EXPECT_FALSE(parse_content_range(text)) << text;
    }
}

}  // namespace
}  // namespace lazybuild::registry
