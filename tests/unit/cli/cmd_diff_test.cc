// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_diff.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "builder/cli/cmd_convert.h"
#include "tests/unit/export/test_store.h"

namespace lazybuild::cli {
namespace {

class DiffTest : public exporter::test::ExportFixture {
  protected:
    DiffTest() : layout_(directory_) {
        const TestLayer base = layout_.add_layer(
            "mkdir -p d/gone e; echo same > same; echo one > d/changed; echo x > d/gone/x; "
            "echo m > mode; head -c 3000000 /dev/zero > large; ln -s a link");
        const TestLayer change = layout_.add_layer(
            "mkdir -p d; echo two > d/changed; touch d/.wh.gone; echo new > new; echo m > mode; "
            "chmod 700 mode; ln -s b link; chown 5:6 mode");
        layout_.write_index({{layout_.add_image({base}).entry(), "a"},
                             {layout_.add_image({base, change}).entry(), "b"}});
    }

    std::string diff(const std::string& before, const std::string& after, bool json = false) {
        console_.data.clear();
        EXPECT_EQ(
            run(DiffArgs{.before = before, .after = after, .json = json, .root = store_.root()},
                console_),
            ExitCode::done)
            << console_.notes;
        return console_.data;
    }

    TestLayout layout_;
};

constexpr std::string_view kExpected =
    "~ /d/changed  content sha256:c1eb5b0a0b7b → sha256:27dd8ed44a83\n"
    "- /d/gone/\n"
    "- /d/gone/x\n"
    "~ /link  target a → b\n"
    "~ /mode  mode 0644 → 0700  owner 0:0 → 5:6\n"
    "+ /new\n";

std::string without_digests(std::string text) {
    for (std::size_t at = text.find("sha256:"); at != std::string::npos;
         at = text.find("sha256:", at + 1)) {
        text.replace(at + 7, 12, "____________");
    }
    return text;
}

TEST_F(DiffTest, tells_what_was_added_removed_and_changed) {
    EXPECT_EQ(without_digests(diff(layout_.place("a"), layout_.place("b"))),
              without_digests(std::string{kExpected}));
    EXPECT_TRUE(console_.noted("1 added, 2 removed, 3 changed")) << console_.notes;
    EXPECT_EQ(diff(layout_.place("b"), layout_.place("b")), "");
}

TEST_F(DiffTest, reads_the_same_from_tables_of_contents) {
    ConvertArgs convert;
    convert.source = layout_.place("a");
    convert.target = "oci:" + (directory_ / "lazy") + ":a";
    ASSERT_EQ(run(convert, console_), ExitCode::done) << console_.notes;
    EXPECT_EQ(diff(layout_.place("a"), convert.target), "");
    EXPECT_EQ(without_digests(diff(convert.target, layout_.place("b"))),
              without_digests(std::string{kExpected}));
}

TEST_F(DiffTest, writes_json) {
    const auto json = nlohmann::json::parse(diff(layout_.place("a"), layout_.place("b"), true));
    EXPECT_EQ(json["added"][0]["path"], "/new");
    EXPECT_EQ(json["changed"][2]["mode"]["after"], "0700");
}

TEST_F(DiffTest, finds_images_that_builds_have_kept) {
    using exporter::test::LayerBuilder;
    exported("type=image,name=app:1",
             {exporter::test::make_image({LayerBuilder{}.file("a", "1").finish("1")})});
    exported("type=image,name=app:2",
             {exporter::test::make_image({LayerBuilder{}.file("a", "2").finish("2")})});
    EXPECT_EQ(without_digests(diff("app:1", "app:2")),
              "~ /a  content sha256:____________ → sha256:____________\n");
    EXPECT_EQ(
        run(DiffArgs{.before = "oci:nowhere", .after = "app:1", .root = store_.root()}, console_),
        ExitCode::failed);
    EXPECT_EQ(run(DiffArgs{.before = "::", .after = "app:1", .root = store_.root()}, console_),
              ExitCode::usage);
}

}  // namespace
}  // namespace lazybuild::cli
