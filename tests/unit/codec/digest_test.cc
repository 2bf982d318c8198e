// SPDX-License-Identifier: Apache-2.0
#include "codec/digest.h"

#include <gtest/gtest.h>

#include <unordered_set>

namespace lazybuild::codec {
namespace {

// Of the empty content (FIPS 180-4).
constexpr std::string_view kHex =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string text_with(std::string_view hex) {
    return "sha256:" + std::string{hex};
}

TEST(Digest, text_survives_parsing) {
    const auto digest = Digest::parse(text_with(kHex));
    ASSERT_TRUE(digest);
    EXPECT_EQ(digest->hex(), kHex);
    EXPECT_EQ(digest->text(), text_with(kHex));
    EXPECT_EQ(digest->raw()[0], std::byte{0xe3});
    EXPECT_EQ(digest->raw()[31], std::byte{0x55});
}

TEST(Digest, nothing_else_is_accepted) {
    std::string upper{kHex};
    upper[0] = 'E';
    std::string slash{kHex};
    slash[63] = '/';
    std::string nul{kHex};
    nul[10] = '\0';
    for (const std::string& text :
         {std::string{}, std::string{kHex}, text_with(""), text_with(kHex.substr(1)),
          text_with(kHex) + "0", " " + text_with(kHex), text_with(upper), text_with(slash),
          text_with(nul), "sha512:" + std::string{kHex}, "SHA256:" + std::string{kHex}}) {
        const auto digest = Digest::parse(text);
        ASSERT_FALSE(digest) << text;
        EXPECT_EQ(digest.error().code, std::errc::bad_message);
    }
}

TEST(Digest, messages_do_not_repeat_endless_text) {
    EXPECT_LT(Digest::parse(std::string(1'000'000, 'a')).error().message.size(), 300U);
}

TEST(Digest, equal_content_is_equal_and_ordered_bytewise) {
    Digest::Raw low{};
    Digest::Raw high{};
    low[0] = std::byte{0x7f};
    high[0] = std::byte{0x80};
    EXPECT_LT(Digest{low}, Digest{high});
    EXPECT_EQ(Digest{low}, Digest{low});
    EXPECT_EQ((std::unordered_set{Digest{low}, Digest{high}, Digest{low}}.size()), 2U);
}

}  // namespace
}  // namespace lazybuild::codec
