// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "builder/files/copy.h"
#include "tests/unit/files/fakes.h"

namespace lazybuild::files {
namespace {

using test::Lines;

TEST(MakeDirectory, makes_what_is_missing_for_the_user) {
    test::MemoryFiles base;
    base.directory("srv", 0711, 3, 3).link("app", "/srv/app").file("file", "");
    base.file("etc/passwd", "www:x:33:34::/:/bin/sh\n");
    test::FakeMaker maker;
    const auto layer =
        make_directory({.base = 0, .path = "/app/x/y", .user = "www"}, base.source(), maker);
    ASSERT_TRUE(layer) << layer.error().message;
    EXPECT_NE(*layer, nullptr);
    EXPECT_EQ(maker.lines(), (Lines{{"./", "d 755 0:0"},
                                    {"srv", "d 711 3:3"},
                                    {"srv/app", "d 755 33:34"},
                                    {"srv/app/x", "d 755 33:34"},
                                    {"srv/app/x/y", "d 755 33:34"}}));
}

TEST(MakeDirectory, makes_no_layer_for_what_is_there) {
    test::MemoryFiles base;
    base.directory("srv/app").link("app", "srv/app");
    for (const std::string path : {"/", "/srv", "/app", "/srv/app/", "/app/../.."}) {
        test::FakeMaker maker;
        const auto layer =
            make_directory({.base = 0, .path = path, .user = {}}, base.source(), maker);
        ASSERT_TRUE(layer) << path;
        EXPECT_EQ(*layer, nullptr) << path;
    }
}

TEST(MakeDirectory, does_not_replace_a_file) {
    test::MemoryFiles base;
    base.file("file", "");
    test::FakeMaker maker;
    EXPECT_FALSE(make_directory({.base = 0, .path = "/file", .user = {}}, base.source(), maker));
    EXPECT_FALSE(make_directory({.base = 0, .path = "/file/x", .user = {}}, base.source(), maker));
}

}  // namespace
}  // namespace lazybuild::files
