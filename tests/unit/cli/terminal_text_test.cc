// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/terminal_text.h"

#include <gtest/gtest.h>

namespace lazybuild::cli {
namespace {

TEST(TerminalText, drops_escape_sequences) {
    EXPECT_EQ(printable("\x1b[31mred\x1b[0m"), "red");
    EXPECT_EQ(printable("a\x1b]0;title\ab"), "ab");
    EXPECT_EQ(printable("a\x1b]52;c;aGk=\x1b\\b"), "ab");
    EXPECT_EQ(printable("a\x1bPq#0\x1b\\b"), "ab");
    EXPECT_EQ(printable("a\x1b(Bb"), "aBb");
    EXPECT_EQ(printable("a\x1b["), "a");
    EXPECT_EQ(printable("a\x1b"), "a");
}

TEST(TerminalText, drops_controls_of_one_byte_and_of_two) {
    EXPECT_EQ(printable("a\r\b\x07z\x7f"), "az");
    EXPECT_EQ(printable("a\u009b31mb"), "a31mb");
    EXPECT_EQ(printable("a\u202eb"), "ab");
}

TEST(TerminalText, keeps_letters_and_marks_what_is_none) {
    EXPECT_EQ(printable("grün → 木"), "grün → 木");
    EXPECT_EQ(printable("a\xff\xc0\x80z"), "a???z");
    EXPECT_EQ(printable("\xed\xa0\x80"), "???");
    EXPECT_EQ(printable("a\tb"), "a       b");
}

TEST(TerminalText, counts_columns_not_bytes) {
    EXPECT_EQ(columns_of("grün"), 4U);
    EXPECT_EQ(columns_of("木木"), 4U);
    EXPECT_EQ(columns_of("e\u0301"), 1U);
}

TEST(TerminalText, cuts_where_the_room_ends) {
    EXPECT_EQ(cut_to("abcdef", 6), "abcdef");
    EXPECT_EQ(cut_to("abcdefg", 6), "abcde…");
    EXPECT_EQ(cut_to("木木木", 4), "木…");
    EXPECT_EQ(cut_to("abc", 0), "");
}

}  // namespace
}  // namespace lazybuild::cli
