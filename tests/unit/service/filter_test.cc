// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/filter.h"

#include <gtest/gtest.h>

namespace lazybuild::service {
namespace {

store::SnapshotRecord snapshot() {
    store::SnapshotRecord record;
    record.name = "default/1/top";
    record.parent = "base";
    record.kind = store::SnapshotKind::committed;
    record.labels = {{"containerd.io/snapshot.ref", "sha256:abc"},
                     {"plain", "value"},
                     {"with space", "a b"},
                     {"a.b", "dotted"},
                     {"utf", "né"}};
    return record;
}

bool matches(const std::vector<std::string>& filters) {
    auto filter = Filter::parse(filters);
    EXPECT_TRUE(filter.has_value()) << filters[0] << ": " << filter.error().message;
    return filter && filter->matches(snapshot());
}

std::string error_of(const std::string& text) {
    auto filter = Filter::parse({text});
    if (filter) {
        return "";
    }
    EXPECT_EQ(filter.error().code, std::errc::invalid_argument);
    return filter.error().message;
}

// Word for word what containerd 1.6 asks after a Prepare that was answered with ALREADY_EXISTS.
TEST(Filter, understands_the_remote_snapshot_handshake) {
    EXPECT_TRUE(matches({R"(labels."containerd.io/snapshot.ref"==sha256:abc,parent=="base")"}));
    EXPECT_FALSE(matches({R"(labels."containerd.io/snapshot.ref"==sha256:abd,parent=="base")"}));
    EXPECT_FALSE(matches({R"(labels."containerd.io/snapshot.ref"==sha256:abc,parent=="")"}));
}

TEST(Filter, without_text_matches_everything) {
    EXPECT_TRUE(matches({}));
    EXPECT_TRUE(matches({""}));
    EXPECT_TRUE(matches({"name==nobody", ""}));
}

TEST(Filter, selectors_must_all_match_and_one_filter_is_enough) {
    EXPECT_TRUE(matches({"parent==base,kind==committed"}));
    EXPECT_FALSE(matches({"parent==base,kind==active"}));
    EXPECT_TRUE(matches({"kind==active", "kind==view", "parent==base"}));
    EXPECT_FALSE(matches({"kind==active", "kind==view"}));
}

TEST(Filter, presence_is_of_the_field_not_of_its_text) {
    EXPECT_TRUE(matches({"labels.plain"}));
    EXPECT_FALSE(matches({"labels.missing"}));
    EXPECT_TRUE(matches({"parent"}));
    EXPECT_TRUE(matches({"name,labels.plain"}));
    EXPECT_FALSE(matches({"unheard_of"}));
}

TEST(Filter, absent_equals_nothing_and_differs_from_all_but_empty) {
    EXPECT_FALSE(matches({R"(labels.missing=="")"}));
    EXPECT_TRUE(matches({"labels.missing!=x"}));
    EXPECT_FALSE(matches({R"(labels.missing!="")"}));
    EXPECT_TRUE(matches({"labels.plain!=other"}));
    EXPECT_FALSE(matches({"labels.plain!=value"}));
}

TEST(Filter, label_keys_may_be_quoted_or_dotted) {
    EXPECT_TRUE(matches({R"(labels."with space"=="a b")"}));
    EXPECT_TRUE(matches({"labels.a.b==dotted"}));
    EXPECT_TRUE(matches({R"(labels."a.b"==dotted)"}));
    EXPECT_TRUE(matches({R"("labels"."plain"==value)"}));
}

TEST(Filter, unquotes_as_go_does) {
    EXPECT_TRUE(matches({R"(labels."\x70lain"=="va\154ue")"}));
    EXPECT_TRUE(matches({R"(labels.utf=="n\u00e9")"}));
    EXPECT_TRUE(matches({R"(labels.utf=="n\U000000e9")"}));
    EXPECT_FALSE(matches({R"(labels.plain=="val\tue")"}));
    EXPECT_FALSE(matches({R"(labels.plain=="\a\b\f\n\r\t\v\\\"")"}));
}

TEST(Filter, skips_spaces_between_tokens) {
    EXPECT_TRUE(matches({" parent == base, kind == committed"}));
}

TEST(Filter, regular_expressions_search_and_may_be_quoted_three_ways) {
    EXPECT_TRUE(matches({"name~=^default/"}));
    EXPECT_TRUE(matches({R"(name~="/1/t[a-z]p$")"}));
    EXPECT_TRUE(matches({"name~=/default/"}));
    EXPECT_TRUE(matches({"name~=|default/1|"}));
    EXPECT_FALSE(matches({"name~=^top"}));
    EXPECT_TRUE(matches({"labels.missing~=^$"}));
}

TEST(Filter, hostile_regular_expressions_end_soon) {
    store::SnapshotRecord record = snapshot();
    record.name = std::string(20'000, 'a');
    auto filter = Filter::parse({"name~=^(a+)+b$"});
    ASSERT_TRUE(filter.has_value());
    EXPECT_FALSE(filter->matches(record));
}

TEST(Filter, says_what_is_wrong_and_where) {
    for (const char* text :
         {"==x", "name=", "name==", "name===x,", "name==a b", "name=x", "name<x", ".name", "name.",
          ",", "name,", "labels.\"open", "labels.\"bad\\q\"", "labels.\"\\x1\"", "labels.\"\\777\"",
          "labels.\"\\UFFFFFFFF\"", "labels.\"a\nb\"", "name~=(", "name~=/open"}) {
        EXPECT_NE(error_of(text), "") << text;
    }
    EXPECT_NE(error_of("name=x").find("at byte 4"), std::string::npos) << error_of("name=x");
}

TEST(Filter, takes_a_run_of_operator_characters_as_one) {
    EXPECT_NE(error_of("name==="), "");
    EXPECT_NE(error_of("name===x"), "");
}

TEST(Filter, has_limits) {
    EXPECT_NE(error_of("name==" + std::string(kFilterBytesMax, 'x')), "");
    EXPECT_FALSE(Filter::parse(std::vector<std::string>(kFiltersMax + 1, "name")).has_value());
}

}  // namespace
}  // namespace lazybuild::service
