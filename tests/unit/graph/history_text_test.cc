// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/history_text.h"

#include <gtest/gtest.h>

namespace lazybuild::graph {
namespace {

TEST(HistoryText, quotes_as_go_does) {
    struct Row {
        std::string text;
        const char* quoted;
    };
    const Row rows[] = {
        {"plain", "\"plain\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\a\b\f\n\r\t\v", "\"\\a\\b\\f\\n\\r\\t\\v\""},
        {std::string("\0\x1b\x7f", 3), "\"\\x00\\x1b\\x7f\""},
        {"grün 世界 😀", "\"grün 世界 😀\""},
        {"\xff\xc3", "\"\\xff\\xc3\""},
        {"\xc2\xa0\xe2\x80\xa8", "\"\\u00a0\\u2028\""},
        {"", "\"\""},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(quoted_word(row.text), row.quoted);
    }
    EXPECT_EQ(quoted_list({"a b", "c"}), "[\"a b\" \"c\"]");
    EXPECT_EQ(quoted_list({}), "[]");
    EXPECT_EQ(plain_list({"a b", "c"}), "[a b c]");
}

TEST(HistoryText, writes_durations_as_go_does) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    struct Row {
        std::int64_t nanoseconds;
        const char* text;
    };
    const Row rows[] = {
        {0, "0s"},
        {1, "1ns"},
        {1500, "1.5µs"},
        {2'000'000, "2ms"},
        {kSecond, "1s"},
        {kSecond + 1, "1.000000001s"},
        {90 * kSecond, "1m30s"},
        {3600 * kSecond, "1h0m0s"},
        {3661 * kSecond + kSecond / 2, "1h1m1.5s"},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(duration_text(row.nanoseconds), row.text);
    }
}

}  // namespace
}  // namespace lazybuild::graph
