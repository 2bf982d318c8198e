// SPDX-License-Identifier: Apache-2.0
#include "base/csv.h"

#include <gtest/gtest.h>

namespace lazybuild {
namespace {

using Fields = std::vector<std::string>;

TEST(CsvTest, quotes_hold_commas_and_quotes) {
    EXPECT_EQ(*split_fields("a=1,\"b=2,3\",c"), (Fields{"a=1", "b=2,3", "c"}));
    EXPECT_EQ(*split_fields("\"say \"\"hi\"\"\""), (Fields{"say \"hi\""}));
    EXPECT_EQ(*split_fields(""), Fields{""});
}

TEST(CsvTest, a_quote_that_is_not_closed_is_refused) {
    EXPECT_FALSE(split_fields("\"a"));
}

}  // namespace
}  // namespace lazybuild
