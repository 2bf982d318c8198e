// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <gtest/gtest.h>

#include "base/result.h"

namespace lazybuild {
namespace {

TEST(Error, context_is_put_in_front_and_keeps_the_condition) {
    const Error inner = corrupt("no magic");
    const Error outer = inner.context("layer 3");
    EXPECT_EQ(outer.message, "layer 3: no magic");
    EXPECT_EQ(outer.code, std::errc::bad_message);
    EXPECT_EQ(inner.message, "no magic");
}

TEST(Error, errno_becomes_condition_and_words) {
    const Error error = errno_error("open /a", ENOENT);
    EXPECT_EQ(error.code, std::errc::no_such_file_or_directory);
    EXPECT_EQ(error.message, "open /a: No such file or directory");
}

TEST(Error, each_shorthand_has_its_own_condition) {
    EXPECT_EQ(corrupt("").code, std::errc::bad_message);
    EXPECT_EQ(over_limit("").code, std::errc::argument_out_of_domain);
    EXPECT_EQ(invalid("").code, std::errc::invalid_argument);
}

Result<int> half(int number) {
    if (number % 2 != 0) {
        return fail(invalid("odd"));
    }
    return number / 2;
}

Result<int> quarter(int number) {
    TRY(const int halved, half(number));
    TRY(const int result, half(halved));
    return result;
}

Result<void> check_even(int number) {
    CHECK_OK(half(number));
    return {};
}

TEST(Result, TRY_hands_on_the_value_or_returns_the_error) {
    EXPECT_EQ(quarter(12), 3);
    ASSERT_FALSE(quarter(6));
    EXPECT_EQ(quarter(6).error().message, "odd");
}

TEST(Result, CHECK_OK_returns_the_error) {
    EXPECT_TRUE(check_even(2));
    EXPECT_FALSE(check_even(1));
}

}  // namespace
}  // namespace lazybuild
