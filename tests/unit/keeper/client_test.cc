// SPDX-License-Identifier: Apache-2.0
#include "keeper/client.h"

#include "tests/unit/keeper/keeper_fixture.h"

namespace lazybuild::keeper {
namespace {

using ClientTest = KeeperTest;

TEST_F(ClientTest, what_one_gave_another_takes_as_often_as_it_likes) {
    {
        Client first = client();
        put(first, "/a", "one");
    }
    Client second = client();
    EXPECT_EQ(take(second, "/a"), "one");
    EXPECT_EQ(take(second, "/a"), "one");
    EXPECT_EQ(take(second, "/b"), "<nothing>");
    put(second, "/a", "two");
    put(second, "/b", "three");
    EXPECT_EQ(take(second, "/a"), "two");
    EXPECT_TRUE(second.drop("/a").has_value());
    EXPECT_TRUE(second.drop("/a").has_value());
    EXPECT_EQ(take(second, "/a"), "<nothing>");
    EXPECT_EQ(take(second, "/b"), "three");
}

TEST_F(ClientTest, several_descriptors_keep_their_order) {
    Client one = client();
    const Fd files[] = {memory("0"), memory("1"), memory("2"), memory("3")};
    const int numbers[] = {files[0].get(), files[1].get(), files[2].get(), files[3].get()};
    ASSERT_TRUE(one.put("/a", numbers).has_value());
    const auto taken = one.take("/a");
    ASSERT_TRUE(taken.has_value());
    ASSERT_EQ(taken->size(), 4U);
    for (std::size_t i = 0; i < taken->size(); ++i) {
        EXPECT_EQ(text_of((*taken)[i]), std::to_string(i));
    }
}

TEST_F(ClientTest, sees_that_the_keeper_has_gone_and_finds_the_next_one) {
    Client one = client();
    EXPECT_TRUE(one.is_connected());
    put(one, "/a", "one");
    stop();
    EXPECT_FALSE(one.is_connected());
    EXPECT_FALSE(one.take("/a").has_value());
    EXPECT_FALSE(Client::connect(path_).has_value());
    start();
    Client again = client();
    EXPECT_EQ(take(again, "/a"), "<nothing>");
}

TEST_F(ClientTest, refuses_what_is_past_the_limits_before_it_is_sent) {
    Client one = client();
    const Fd file = memory("x");
    const std::vector<int> many(kDescriptorsMax + 1, file.get());
    EXPECT_FALSE(one.put("/a", many).has_value());
    EXPECT_FALSE(one.put(std::string(kNameBytesMax + 1, 'a'), {many.data(), 1}).has_value());
    EXPECT_FALSE(one.put("/a", {}).has_value());
    EXPECT_FALSE(one.put("", {many.data(), 1}).has_value());
    put(one, std::string(kNameBytesMax, 'a'), "long");
    EXPECT_EQ(take(one, std::string(kNameBytesMax, 'a')), "long");
}

}  // namespace
}  // namespace lazybuild::keeper
