// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "builder/files/copy.h"
#include "tests/unit/files/fakes.h"

namespace lazybuild::files {
namespace {

std::string found(const std::string& text, layers::FileSource* files) {
    const auto owner = find_owner(text, files);
    return owner ? fmt::format("{}:{}", owner->uid, owner->gid) : owner.error().message;
}

TEST(FindOwner, reads_names_and_numbers) {
    test::MemoryFiles image;
    image.file("usr/etc/passwd",
               "root:x:0:0::/root:/bin/sh\napp:x:1000:1001:App:/app:/bin/sh\n"
               "broken:x\napplet:x:7:8::/:/bin/sh");
    image.link("etc", "usr/etc").file("usr/etc/group", "root:x:0:\nwheel:x:10:app\n");
    const std::vector<std::pair<std::string, std::string>> cases{
        {"app", "1000:1001"},
        {"app:wheel", "1000:10"},
        {"app:55", "1000:55"},
        {"applet", "7:8"},
        {"12", "12:12"},
        {"12:wheel", "12:10"},
        {"12:13", "12:13"},
        {":wheel", "0:10"},
        {"app:", "1000:1001"},
        {"nobody", "the image has no user \"nobody\" in /etc/passwd"},
        {"app:none", "the image has no group \"none\" in /etc/group"},
        {"broken", "the line of user \"broken\" in /etc/passwd is none"},
        {"4294967295", "4294967295 is no user or group number: they end at 4294967294"},
        {"a:b:c", "\"a:b:c\" is no user:group"},
    };
    for (const auto& [text, expected] : cases) {
        EXPECT_EQ(found(text, &image.source()), expected) << text;
    }
}

TEST(FindOwner, needs_files_for_names_only) {
    test::MemoryFiles empty;
    EXPECT_EQ(found("5:6", nullptr), "5:6");
    EXPECT_EQ(found("app", &empty.source()),
              "\"app\" cannot be looked up: the image has no /etc/passwd");
    EXPECT_FALSE(find_owner("app", nullptr));
}

TEST(FindOwner, reads_no_huge_file) {
    test::MemoryFiles image;
    image.file("etc/passwd", std::string(kAccountFileBytesMax + 1, 'x'));
    EXPECT_EQ(find_owner("app", &image.source()).error().code, std::errc::argument_out_of_domain);
}

}  // namespace
}  // namespace lazybuild::files
