// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <gtest/gtest.h>

namespace lazybuild {
namespace {

TEST(Bytes, text_and_bytes_are_views_of_the_same_memory) {
    const std::string text{"a\0b", 3};
    const ByteView bytes = as_bytes(text);
    EXPECT_EQ(bytes.size(), 3U);
    EXPECT_EQ(as_text(bytes).data(), text.data());
    EXPECT_EQ(as_text(bytes), text);
}

TEST(Bytes, little_endian_integers_are_stored_and_loaded_at_any_offset) {
    Bytes bytes(7);
    store_le<std::uint32_t>(bytes, 3, 0x0102'0304);
    EXPECT_EQ(to_hex(bytes), "00000004030201");
    EXPECT_EQ(load_le<std::uint32_t>(bytes, 3), 0x0102'0304U);
    EXPECT_EQ(load_le<std::uint16_t>(bytes, 5), 0x0102U);
}

TEST(BytesDeathTest, loading_past_the_end_is_a_programmer_error) {
    const Bytes bytes(4);
    EXPECT_DEATH((void)load_le<std::uint32_t>(bytes, 1), "assertion failed");
    EXPECT_DEATH((void)load_le<std::uint32_t>(bytes, SIZE_MAX), "assertion failed");
}

TEST(Bytes, align_up_reaches_the_next_multiple_and_stays_on_one) {
    EXPECT_EQ(align_up(0, 4096), 0U);
    EXPECT_EQ(align_up(1, 4096), 4096U);
    EXPECT_EQ(align_up(4096, 4096), 4096U);
    EXPECT_EQ(align_up(4097, 4096), 8192U);
}

TEST(Bytes, hexadecimal_is_lower_case_with_leading_zeros) {
    EXPECT_EQ(to_hex(as_bytes("\x0f\xa0")), "0fa0");
    EXPECT_EQ(to_hex({}), "");
}

}  // namespace
}  // namespace lazybuild
