// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/file_source.h"

#include <gtest/gtest.h>

#include "builder/layers/merged_view.h"
#include "tests/unit/layers/test_layers.h"

namespace lazybuild::layers {
namespace {

class ResolveTest : public testing::Test {
  protected:
    std::string resolved(std::string_view path) {
        auto found = resolve(view_, path);
        EXPECT_TRUE(found) << found.error().message;
        return found.value_or("an error");
    }

    MergedView view_{Snapshot{{test::LayerBuilder{}
                                   .directory("usr/lib")
                                   .file("usr/lib/x", "x")
                                   .symlink("lib", "usr/lib")
                                   .symlink("usr/abs", "/usr/lib")
                                   .symlink("usr/up", "../../../usr/./lib//")
                                   .symlink("usr/self", "self")
                                   .symlink("usr/root", "/")
                                   .symlink("usr/lib/parent", "..")
                                   .symlink("dangling", "no/such")
                                   .symlink("a", "b/x")
                                   .symlink("b", "lib")
                                   .finish("1")}},
                     std::make_shared<ChainTrees>()};
};

TEST_F(ResolveTest, follows_links_inside_the_root) {
    EXPECT_EQ(resolved(""), "");
    EXPECT_EQ(resolved("usr/lib/x"), "usr/lib/x");
    EXPECT_EQ(resolved("lib/x"), "usr/lib/x");
    EXPECT_EQ(resolved("usr/abs/x"), "usr/lib/x");
    EXPECT_EQ(resolved("usr/up/x"), "usr/lib/x");
    EXPECT_EQ(resolved("usr/root"), "");
    EXPECT_EQ(resolved("a"), "usr/lib/x");
    EXPECT_EQ(resolved("lib/parent/abs"), "usr/lib");
}

TEST_F(ResolveTest, leaves_what_does_not_exist_as_it_is_written) {
    EXPECT_EQ(resolved("lib/new/file"), "usr/lib/new/file");
    EXPECT_EQ(resolved("dangling/more"), "no/such/more");
    EXPECT_EQ(resolved("usr/lib/x/below"), "usr/lib/x/below");
}

TEST_F(ResolveTest, gives_up_on_links_in_a_circle) {
    const auto found = resolve(view_, "usr/self/x");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, std::errc::too_many_symbolic_link_levels);
}

}  // namespace
}  // namespace lazybuild::layers
