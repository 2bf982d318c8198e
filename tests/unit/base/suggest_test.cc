// SPDX-License-Identifier: Apache-2.0
#include "base/suggest.h"

#include <gtest/gtest.h>

namespace lazybuild {
namespace {

TEST(Suggest, finds_the_nearest_word) {
    const std::vector<std::string> words = {"convert", "copy", "inspect", "pull"};
    EXPECT_EQ(nearest("convrt", words), "convert");
    EXPECT_EQ(nearest("copi", words), "copy");
    EXPECT_EQ(nearest("pul", words), "pull");
    EXPECT_EQ(nearest("xyzzy", words), "");
    EXPECT_EQ(nearest(std::string(1000, 'c'), words), "");
}

}  // namespace
}  // namespace lazybuild
