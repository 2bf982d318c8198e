// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/file_mode.h"

#include <gtest/gtest.h>

namespace lazybuild::dockerfile {
namespace {

struct Case {
    std::string_view text;
    std::uint32_t before;
    std::uint32_t file;
    std::uint32_t directory;
};

TEST(FileMode, is_applied_as_chmod_does) {
    for (const Case& one : std::initializer_list<Case>{
             {"0755", 0600, 0755, 0755},        {"644", 0777, 0644, 0644},
             {"7777", 0, 07777, 07777},         {"0", 0777, 0, 0},
             {"+x", 0644, 0755, 0755},          {"a+x", 0644, 0755, 0755},
             {"u+x", 0644, 0744, 0744},         {"go-rwx", 0777, 0700, 0700},
             {"-w", 0666, 0444, 0444},          {"u=rwX,go=rX", 0600, 0644, 0755},
             {"u=rwX,go=rX", 0700, 0755, 0755}, {"=r", 0777, 0444, 0444},
             {"u=", 0755, 0055, 0055},          {"g=u", 0750, 0770, 0770},
             {"o+g", 0640, 0644, 0644},         {"u-g", 0770, 0070, 0070},
             {"u+s", 0755, 04755, 04755},       {"g+s", 0755, 02755, 02755},
             {"+t", 0777, 01777, 01777},        {"u=rwx", 04755, 0755, 0755},
             {"u+r-w", 0200, 0400, 0400},       {"u+x,g+X", 0640, 0740, 0750},
             {"a=,a+X", 0700, 0111, 0111},      {"a=rwx", 01700, 01777, 01777},
             {"u+t", 0700, 01700, 01700},       {"o+t", 0700, 0700, 0700},
             {"a=rt", 0700, 01444, 01444},      {"g=u", 02750, 02770, 02770},
             {"g=r", 02750, 0740, 0740},        {"-X", 0755, 0644, 0644},
             {"go=u-w", 0750, 0755, 0755},      {"ug+w,o=", 0555, 0770, 0770}}) {
        const auto mode = FileMode::parse(one.text);
        ASSERT_TRUE(mode) << one.text;
        EXPECT_EQ(mode->apply(one.before, false), one.file) << one.text;
        EXPECT_EQ(mode->apply(one.before, true), one.directory) << one.text;
    }
}

TEST(FileMode, says_whether_it_depends_on_the_file) {
    EXPECT_TRUE(FileMode::parse("0755")->is_absolute());
    EXPECT_FALSE(FileMode::parse("a=r")->is_absolute());
}

TEST(FileMode, refuses_what_is_no_mode) {
    for (const char* text : {"", "8", "10000", "99999999999999999999", "x", "u", "u=q", "u+x,", ",",
                             "+x y", "0x1", "-1", "u=rg", "=gu"}) {
        const auto mode = FileMode::parse(text);
        ASSERT_FALSE(mode) << text;
        EXPECT_EQ(mode.error().code, std::errc::invalid_argument);
    }
}

}  // namespace
}  // namespace lazybuild::dockerfile
