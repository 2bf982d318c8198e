// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/secret_mask.h"

#include <gtest/gtest.h>

namespace lazybuild::exec {
namespace {

/// What comes out of stream 1 when `text` comes in pieces of `piece_bytes`.
std::string masked(const std::vector<std::string>& secrets, std::string_view text,
                   std::size_t piece_bytes) {
    std::string out;
    SecretMask mask{secrets, [&out](int, std::string_view bytes) { out += bytes; }};
    for (; !text.empty(); text.remove_prefix(std::min(piece_bytes, text.size()))) {
        mask.write(1, text.substr(0, piece_bytes));
    }
    mask.finish();
    return out;
}

TEST(SecretMask, hides_secrets_however_they_are_cut) {
    for (std::size_t piece_bytes = 1; piece_bytes < 40; ++piece_bytes) {
        EXPECT_EQ(masked({"s3cret-token"}, "a s3cret-s3cret-token, s3cret-tokens3cret-toke.",
                         piece_bytes),
                  "a s3cret-***, ***s3cret-toke.");
    }
}

TEST(SecretMask, hides_each_line_of_a_secret) {
    EXPECT_EQ(masked({"first line\r\n\nsecond line\n"}, "x second line y first line", 5),
              "x *** y ***");
}

TEST(SecretMask, prefers_the_longer_of_two_secrets) {
    EXPECT_EQ(masked({"abcd", "abcdefgh"}, "abcdefgh abcdex", 100), "*** ***ex");
}

TEST(SecretMask, leaves_words_alone) {
    EXPECT_EQ(masked({"yes", ""}, "yes and no", 3), "yes and no");
}

TEST(SecretMask, holds_back_no_more_than_could_be_a_secret) {
    std::string out;
    SecretMask mask{{"token"}, [&out](int, std::string_view bytes) { out += bytes; }};
    mask.write(1, "line\nto");
    EXPECT_EQ(out, "line\n");
    mask.write(2, "other");
    EXPECT_EQ(out, "line\nother");
    mask.write(1, "day");
    EXPECT_EQ(out, "line\nothertoday");
}

}  // namespace
}  // namespace lazybuild::exec
