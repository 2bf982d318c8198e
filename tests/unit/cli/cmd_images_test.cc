// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_images.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "builder/export/image_store.h"
#include "tests/unit/export/test_store.h"

namespace lazybuild::cli {
namespace {

using exporter::test::LayerBuilder;
using exporter::test::make_image;

class ImagesTest : public exporter::test::ExportFixture {
  protected:
    ImagesTest() {
        exporter::BuiltImage image = make_image({LayerBuilder{}.file("a", "a").finish("a")});
        image.settings.labels = {{"team", "web"}};
        web_ = exported("type=image,\"name=app:1,app:latest\"", {image});
        exported("type=image,name=host.example/other:2",
                 {make_image({LayerBuilder{}.file("b", "b").finish("b")}),
                  make_image({LayerBuilder{}.file("b", "b").finish("b")}, "linux/arm64")});
        console_.notes.clear();
    }

    nlohmann::json images(const std::vector<std::string>& filters = {}) {
        console_.data.clear();
        EXPECT_EQ(
            run(ImagesArgs{.filters = filters, .json = true, .root = store_.root()}, console_),
            ExitCode::done)
            << console_.notes;
        return nlohmann::json::parse(console_.data);
    }
    ExitCode remove(const std::vector<std::string>& names) {
        console_.data.clear();
        return run(RemoveImagesArgs{.names = names, .root = store_.root()}, console_);
    }

    exporter::Exported web_;
};

TEST_F(ImagesTest, lists_what_builds_have_kept) {
    const auto all = images();
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0]["name"], "docker.io/library/app:1");
    EXPECT_EQ(all[0]["digest"], web_.root.digest.text());
    EXPECT_EQ(all[0]["labels"]["team"], "web");
    EXPECT_EQ(all[2]["platforms"], (nlohmann::json{"linux/amd64", "linux/arm64"}));

    console_.data.clear();
    EXPECT_EQ(run(ImagesArgs{.root = store_.root()}, console_), ExitCode::done);
    EXPECT_NE(console_.data.find("host.example/other:2"), std::string::npos) << console_.data;
}

TEST_F(ImagesTest, lists_those_with_a_label) {
    EXPECT_EQ(images({"label=team=web"}).size(), 2U);
    EXPECT_EQ(images({"label=team"}).size(), 2U);
    EXPECT_EQ(images({"label=team=db"}).size(), 0U);
    EXPECT_EQ(images({"label=team", "label=x"}).size(), 0U);
    EXPECT_EQ(run(ImagesArgs{.filters = {"name=x"}, .root = store_.root()}, console_),
              ExitCode::usage);
}

TEST_F(ImagesTest, lists_nothing_where_nothing_was_built) {
    EXPECT_EQ(run(ImagesArgs{.json = true, .root = directory_ / "none"}, console_), ExitCode::done);
    EXPECT_EQ(console_.data, "[]\n");
    directory_.run("test ! -e none");
}

TEST_F(ImagesTest, forgets_names) {
    EXPECT_EQ(remove({"app:latest"}), ExitCode::done);
    EXPECT_EQ(console_.data, "docker.io/library/app:latest\n");
    EXPECT_EQ(images().size(), 2U);
    EXPECT_EQ(remove({web_.root.digest.text()}), ExitCode::done);
    EXPECT_EQ(images().size(), 1U);
}

TEST_F(ImagesTest, forgets_nothing_when_one_name_is_wrong) {
    EXPECT_EQ(remove({"app:1", "host.example/othr:2"}), ExitCode::failed);
    EXPECT_TRUE(console_.noted("did you mean host.example/other:2?")) << console_.notes;
    EXPECT_EQ(images().size(), 3U);
}

}  // namespace
}  // namespace lazybuild::cli
