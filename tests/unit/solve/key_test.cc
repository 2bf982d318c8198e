// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/key.h"

#include <gtest/gtest.h>

#include "codec/sha256.h"

namespace lazybuild::solve {
namespace {

TEST(KeyText, is_another_for_another_input) {
    KeyText one("RUN make");
    KeyText two("RUN make");
    EXPECT_EQ(one.key(), two.key());
    one.add("base", "a");
    two.add("base", "b");
    EXPECT_NE(one.key(), two.key());
}

TEST(KeyText, takes_no_line_of_a_definition_for_an_input) {
    KeyText one("RUN make\nbase a");
    KeyText two("RUN make");
    two.add("base", "a");
    EXPECT_NE(one.key(), two.key());
    KeyText three("RUN make");
    three.add("x", "1\ny 2");
    KeyText four("RUN make");
    four.add("x", "1");
    four.add("y", "2");
    EXPECT_NE(three.key(), four.key());
}

TEST(ChainId, knows_the_order_of_layers) {
    const codec::Digest a = codec::sha256(as_bytes("a"));
    const codec::Digest b = codec::sha256(as_bytes("b"));
    EXPECT_NE(chain_id(std::vector{a, b}), chain_id(std::vector{b, a}));
    EXPECT_NE(chain_id(std::vector{a}), a);
}

}  // namespace
}  // namespace lazybuild::solve
