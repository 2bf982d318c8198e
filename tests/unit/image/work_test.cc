// SPDX-License-Identifier: Apache-2.0
#include "builder/image/work.h"

#include <gtest/gtest.h>

namespace lazybuild::image {
namespace {

TEST(SizeText, counts_in_powers_of_1000) {
    EXPECT_EQ(size_text(0), "0 B");
    EXPECT_EQ(size_text(999), "999 B");
    EXPECT_EQ(size_text(1000), "1.0 kB");
    EXPECT_EQ(size_text(31'417'899), "31.4 MB");
    EXPECT_EQ(size_text(2'000'000'000'000'000), "2.0 PB");
}

}  // namespace
}  // namespace lazybuild::image
