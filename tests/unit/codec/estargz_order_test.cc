// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_order.h"

#include <gtest/gtest.h>

#include "estargz_samples.h"

namespace lazybuild::codec {
namespace {

using test::hard_link;
using test::tar_entry;

TarEntry file(std::string path) {
    return tar_entry(FileType::regular, std::move(path));
}
TarEntry directory(std::string path) {
    return tar_entry(FileType::directory, std::move(path));
}

Result<std::vector<std::string>> paths_of(std::vector<TarEntry> entries,
                                          const std::vector<std::string>& prioritized = {}) {
    TRY(EstargzOrder order, order_for_estargz(std::move(entries), prioritized));
    std::vector<std::string> paths;
    for (std::size_t i = 0; i < order.entries.size(); ++i) {
        if (i == order.prioritized_count) {
            paths.push_back("|");
        }
        paths.push_back(order.entries[i].entry.path);
    }
    return paths;
}

using Paths = std::vector<std::string>;

TEST(EstargzOrder, keeps_the_order_of_the_tar) {
    EXPECT_EQ(paths_of({file("b"), directory("a/"), file("a/c")}), (Paths{"|", "b", "a/", "a/c"}));
}

TEST(EstargzOrder, puts_prioritized_files_first_in_the_order_asked_for) {
    EXPECT_EQ(paths_of({file("a"), file("b"), file("c"), file("d")}, {"d", "b"}),
              (Paths{"d", "b", "|", "a", "c"}));
}

TEST(EstargzOrder, compares_cleaned_names) {
    EXPECT_EQ(paths_of({file("./a"), file("./b")}, {"/x/../b"}), (Paths{"./b", "|", "./a"}));
}

TEST(EstargzOrder, puts_parents_in_front_of_prioritized_files) {
    EXPECT_EQ(paths_of({file("x"), directory("./"), directory("u/"), directory("u/v/"),
                        file("u/v/w"), file("u/y")},
                       {"u/v/w", "u/y"}),
              (Paths{"./", "u/", "u/v/", "u/v/w", "u/y", "|", "x"}));
}

TEST(EstargzOrder, needs_no_entries_for_parents) {
    EXPECT_EQ(paths_of({file("x"), directory("u/"), file("u/v/w")}, {"u/v/w"}),
              (Paths{"u/", "u/v/w", "|", "x"}));
}

TEST(EstargzOrder, puts_targets_with_their_parents_in_front_of_prioritized_hard_links) {
    EXPECT_EQ(paths_of({file("x"), directory("t/"), file("t/target"), directory("l/"),
                        hard_link("l/one", "t/target"), hard_link("l/two", "./l/one")},
                       {"l/two"}),
              (Paths{"t/", "t/target", "l/", "l/one", "l/two", "|", "x"}));
}

TEST(EstargzOrder, ignores_what_is_prioritized_twice) {
    EXPECT_EQ(paths_of({file("a"), file("b")}, {"b", "b", "./b"}), (Paths{"b", "|", "a"}));
}

TEST(EstargzOrder, reports_prioritized_names_that_are_not_there) {
    const Paths prioritized{"/no/such", "a", ".wh.a"};
    std::vector<TarEntry> entries;
    entries.push_back(file("a"));
    const auto order = order_for_estargz(std::move(entries), prioritized);
    ASSERT_TRUE(order);
    EXPECT_EQ(order->not_found, (Paths{"/no/such", ".wh.a"}));
    EXPECT_EQ(order->prioritized_count, 1);
}

TEST(EstargzOrder, keeps_the_last_of_equal_paths) {
    std::vector<TarEntry> entries;
    entries.push_back(file("a"));
    entries.push_back(file("b"));
    entries.push_back(file("./a"));
    EXPECT_EQ(paths_of(std::move(entries)), (Paths{"|", "b", "./a"}));
}

TEST(EstargzOrder, drops_what_an_earlier_conversion_added) {
    EXPECT_EQ(paths_of({file("./.prefetch.landmark"), file(".no.prefetch.landmark"),
                        file("stargz.index.json"), file("u/.prefetch.landmark"),
                        file("u/stargz.index.json")}),
              (Paths{"|", "u/.prefetch.landmark", "u/stargz.index.json"}));
}

TEST(EstargzOrder, puts_targets_in_front_of_hard_links_that_a_later_entry_overtook) {
    EXPECT_EQ(paths_of({file("a"), hard_link("l", "a"), file("a")}), (Paths{"|", "a", "l"}));
}

TEST(EstargzOrder, rejects_hard_links_without_a_file) {
    for (const std::string_view target : {"missing", "l", "d", "", ".prefetch.landmark"}) {
        const auto paths = paths_of(
            {directory("d/"), file(".prefetch.landmark"), hard_link("l", std::string{target})});
        ASSERT_FALSE(paths) << target;
        EXPECT_EQ(paths.error().code, std::errc::bad_message);
        EXPECT_NE(paths.error().message.find("hard link"), std::string::npos);
    }
}

TEST(EstargzOrder, rejects_hard_links_in_a_circle) {
    EXPECT_FALSE(paths_of({hard_link("a", "b"), hard_link("b", "c"), hard_link("c", "a")}));
    EXPECT_FALSE(paths_of({hard_link("a", "b"), hard_link("b", "a")}, {"b"}));
}

TEST(EstargzOrder, follows_long_chains_of_hard_links) {
    std::vector<TarEntry> entries;
    constexpr int kLinks = 200'000;
    for (int i = kLinks; i > 0; --i) {
        entries.push_back(hard_link(std::to_string(i), std::to_string(i - 1)));
    }
    entries.push_back(file("0"));
    const auto paths = paths_of(std::move(entries));
    ASSERT_TRUE(paths);
    EXPECT_EQ((*paths)[1], "0");
    EXPECT_EQ(paths->back(), std::to_string(kLinks));
}

}  // namespace
}  // namespace lazybuild::codec
