// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/layer_settler.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/layers/store_fixture.h"

namespace lazybuild::layers {
namespace {

using test::Making;
using State = LayerSettler::State;

class LayerSettlerTest : public test::StoreTest {
  protected:
    LayerPointer make() { return Making{*store_}.file("f", "content").finish(); }
    std::string place_of(const codec::Digest& id) const { return root() + "/layers/" + id.hex(); }
};

TEST_F(LayerSettlerTest, makes_layers_durable_before_the_store_is_closed) {
    const codec::Digest id = make()->id();
    store_.reset();
    EXPECT_EQ(LayerSettler::state_of(place_of(id)), State::durable);
    reopen();
    EXPECT_NE(find(id), nullptr);
}

TEST_F(LayerSettlerTest, makes_many_layers_durable_though_one_of_them_goes) {
    std::vector<codec::Digest> ids;
    for (int i = 0; i < 150; ++i) {
        ids.push_back(Making{*store_}.file("f", std::to_string(i)).finish()->id());
    }
    store_.reset();
    for (const codec::Digest& id : ids) {
        ASSERT_OK(LayerSettler::mark(place_of(id)));
    }
    ASSERT_TRUE(remove_tree(place_of(ids[7])));
    {
        LayerSettler settler;
        for (const codec::Digest& id : ids) {
            settler.add(place_of(id));
            settler.add(place_of(id));
        }
    }
    for (const codec::Digest& id : ids) {
        EXPECT_EQ(LayerSettler::state_of(place_of(id)), State::durable);
    }
}

TEST_F(LayerSettlerTest, takes_what_a_killed_build_of_this_boot_has_left) {
    const codec::Digest id = make()->id();
    store_.reset();
    ASSERT_OK(LayerSettler::mark(place_of(id)));
    EXPECT_EQ(LayerSettler::state_of(place_of(id)), State::here);
    reopen();
    EXPECT_NE(find(id), nullptr);
    store_.reset();
    EXPECT_EQ(LayerSettler::state_of(place_of(id)), State::durable);
}

TEST_F(LayerSettlerTest, does_not_trust_what_was_not_durable_in_another_boot) {
    for (const char* const boot : {"7dc0bb4e-another-boot", ""}) {
        const codec::Digest id = make()->id();
        store_.reset();
        ASSERT_OK(replace_file(place_of(id) + "/boot", as_bytes(std::string_view{boot})));
        EXPECT_EQ(LayerSettler::state_of(place_of(id)), State::lost);
        reopen();
        EXPECT_EQ(find(id), nullptr);
        EXPECT_NE(::access(place_of(id).c_str(), F_OK), 0);
        EXPECT_EQ(make()->id(), id);
    }
}

TEST_F(LayerSettlerTest, takes_the_place_of_a_layer_that_is_half_removed) {
    const codec::Digest id = make()->id();
    store_.reset();
    ASSERT_TRUE(remove_tree(place_of(id)));
    ASSERT_TRUE(make_directories(place_of(id)));
    reopen();
    EXPECT_EQ(find(id), nullptr);
    EXPECT_EQ(make()->id(), id);
    EXPECT_EQ(::access((place_of(id) + "/disk").c_str(), F_OK), 0);
}

TEST_F(LayerSettlerTest, does_not_mind_that_a_layer_goes) {
    LayerSettler settler;
    settler.add(root() + "/layers/none");
}

}  // namespace
}  // namespace lazybuild::layers
