// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_footer.h"

#include <gtest/gtest.h>

#include "gzip_oracle.h"

namespace lazybuild::codec {
namespace {

using test::to_bytes;

// The offset is 0x1234 in all of them.
constexpr std::string_view kHex =
    "1f8b08040000000000ff1a00534716003030303030303030303030303132333453544152475a010000ffff"
    "0000000000000000";
constexpr std::string_view kLegacyHex =
    "1f8b08040000000000ff16003030303030303030303030303132333453544152475a010000ffff"
    "0000000000000000";
constexpr std::string_view kExternalHex =
    "1f8b08040000000000ff15005347110053544152475a45585445524e414c544f43010000ffff"
    "0000000000000000";

Bytes from_hex(std::string_view hex) {
    Bytes bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        bytes.push_back(
            static_cast<std::byte>(std::stoi(std::string{hex.substr(i, 2)}, nullptr, 16)));
    }
    return bytes;
}

/// The known footer with these digits for the offset.
Bytes with_digits(std::string_view digits) {
    Bytes footer = from_hex(kHex);
    std::ranges::copy(as_bytes(digits), footer.begin() + 16);
    return footer;
}

TEST(EstargzFooter, reads_the_known_one) {
    const auto footer = find_estargz_footer(from_hex(kHex));
    ASSERT_TRUE(footer && *footer);
    EXPECT_EQ((*footer)->toc_offset_bytes, 0x1234);
    EXPECT_EQ((*footer)->footer_size_bytes, 51);
}

TEST(EstargzFooter, reads_the_legacy_one) {
    Bytes tail = to_bytes("????");  // of the 51 bytes that are looked at, four are the TOC's
    test::append(tail, from_hex(kLegacyHex));
    const auto footer = find_estargz_footer(tail);
    ASSERT_TRUE(footer && *footer);
    EXPECT_EQ((*footer)->toc_offset_bytes, 0x1234);
    EXPECT_EQ((*footer)->footer_size_bytes, 47);
}

TEST(EstargzFooter, looks_at_the_very_end_only) {
    Bytes tail = to_bytes("a longer tail than needed");
    test::append(tail, from_hex(kHex));
    const auto found = find_estargz_footer(tail);
    EXPECT_TRUE(found && *found);
    tail.push_back(std::byte{0});
    const auto shifted = find_estargz_footer(tail);
    EXPECT_TRUE(shifted && !*shifted);
}

TEST(EstargzFooter, writes_the_known_one) {
    EXPECT_EQ(to_hex(estargz_footer(0x1234)), kHex);
}

TEST(EstargzFooter, reads_what_it_writes) {
    for (const std::uint64_t offset_bytes :
         {std::uint64_t{0}, std::uint64_t{0xabcdef0123456789} >> 1, ~std::uint64_t{0} >> 1}) {
        const auto footer = find_estargz_footer(estargz_footer(offset_bytes));
        ASSERT_TRUE(footer && *footer);
        EXPECT_EQ((*footer)->toc_offset_bytes, offset_bytes);
    }
}

TEST(EstargzFooter, is_an_empty_gzip_member) {
    const auto content = test::zlib_gunzip(estargz_footer(0xabc));
    ASSERT_TRUE(content);
    EXPECT_TRUE(content->empty());
}

TEST(EstargzFooter, is_not_in_other_blobs) {
    const auto absent = [](ByteView tail) {
        const auto footer = find_estargz_footer(tail);
        return footer && !*footer;
    };
    EXPECT_TRUE(absent({}));
    EXPECT_TRUE(absent(to_bytes("short")));
    EXPECT_TRUE(absent(test::zlib_gzip(test::noise_bytes(1000, 1))));
    EXPECT_TRUE(absent(ByteView{from_hex(kHex)}.subspan(1)));
    EXPECT_TRUE(absent(Bytes(51)));
}

TEST(EstargzFooter, does_not_care_for_time_and_system) {
    Bytes footer = from_hex(kHex);
    footer[4] = std::byte{1};
    footer[8] = std::byte{2};
    footer[9] = std::byte{3};
    const auto found = find_estargz_footer(footer);
    EXPECT_TRUE(found && *found);
}

TEST(EstargzFooter, rejects_offsets_that_are_no_numbers) {
    for (const std::string_view digits :
         {"000000000000123x", "+000000000001234", "-000000000001234", " 00000000001234 ",
          "000000000000ABCD", "0x00000000001234", "8000000000000000"}) {
        const auto footer = find_estargz_footer(with_digits(digits));
        ASSERT_FALSE(footer) << digits;
        EXPECT_EQ(footer.error().code, std::errc::bad_message);
    }
}

TEST(EstargzFooter, says_that_external_tocs_are_not_supported) {
    Bytes tail = to_bytes("?????");
    test::append(tail, from_hex(kExternalHex));
    const auto footer = find_estargz_footer(tail);
    ASSERT_FALSE(footer);
    EXPECT_EQ(footer.error().code, std::errc::not_supported);
    EXPECT_NE(footer.error().message.find("external TOC"), std::string::npos);
}

}  // namespace
}  // namespace lazybuild::codec
