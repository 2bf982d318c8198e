// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_inspect.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "builder/cli/cmd_convert.h"
#include "tests/support/image_fixture.h"

namespace lazybuild::cli {
namespace {

class InspectTest : public testing::Test {
  protected:
    InspectTest() : layout_(directory_) {
        const TestLayer layer = layout_.add_layer(
            "mkdir d; echo hello > d/greeting; ln -s greeting d/link; "
            "head -c 9000000 /dev/urandom > large; printf x > \"$(printf 'a\\033b')\"");
        image_ = layout_.add_image({layer}, codec::host_platform().architecture);
        layout_.write_index({{image_.entry(), "gz"}});
        const ExitCode converted =
            run(ConvertArgs{.source = layout_.place("gz"), .target = lazy_place()}, console_);
        EXPECT_EQ(converted, ExitCode::done) << console_.notes;
    }

    std::string lazy_place() const { return "oci:" + (directory_ / "lazy") + ":l"; }

    std::string inspect(const InspectArgs& args) {
        RecordingConsole console;
        EXPECT_EQ(run(args, console), ExitCode::done) << console.notes;
        return console.data;
    }
    nlohmann::json inspect_json(const std::string& image, bool toc = false) {
        const std::string text = inspect(InspectArgs{.image = image, .toc = toc, .json = true});
        return nlohmann::json::parse(text, nullptr, false);
    }

    test::TempDir directory_;
    TestLayout layout_;
    TestBlob image_;
    RecordingConsole console_;
};

TEST_F(InspectTest, tells_gzip_from_estargz) {
    const nlohmann::json plain = inspect_json(layout_.place("gz"));
    EXPECT_EQ(plain["manifest"]["digest"], image_.digest.text());
    EXPECT_EQ(plain["layers"][0]["format"], "gzip");
    EXPECT_EQ(plain["layers"][0]["lazy"], false);
    const nlohmann::json lazy = inspect_json(lazy_place());
    EXPECT_EQ(lazy["layers"][0]["format"], "estargz");
    EXPECT_EQ(lazy["layers"][0]["lazy"], true);
    EXPECT_EQ(lazy["config"]["content"]["config"]["Env"][0], "A=b");
    EXPECT_EQ(lazy["layers"][0]["diffID"], lazy["config"]["content"]["rootfs"]["diff_ids"][0]);
}

TEST_F(InspectTest, lists_the_files_of_the_toc) {
    const nlohmann::json report = inspect_json(lazy_place(), true);
    std::map<std::string, nlohmann::json> files;
    for (const nlohmann::json& entry : report["layers"][0]["toc"]) {
        files[entry["path"]] = entry;
    }
    EXPECT_EQ(files.size(), 5U);
    EXPECT_EQ(files["d/greeting"]["size"], 6);
    EXPECT_EQ(files["d/greeting"]["chunks"], 1);
    EXPECT_EQ(files["large"]["size"], 9'000'000);
    EXPECT_EQ(files["large"]["chunks"], 3);
    EXPECT_EQ(files["d/link"]["target"], "greeting");
    EXPECT_EQ(files["d"]["type"], "directory");

    const std::string text = inspect(InspectArgs{.image = lazy_place(), .toc = true});
    EXPECT_NE(text.find("d/link -> greeting"), std::string::npos) << text;
    EXPECT_EQ(text.find('\033'), std::string::npos) << "a name must not steer the terminal";
}

TEST_F(InspectTest, says_why_a_layer_that_looks_lazy_is_not) {
    auto manifest = manifest_in(directory_ / "lazy", "l");
    const TestLayout copy(directory_, "lazy");
    manifest->layers[0].annotations.clear();
    const TestBlob bare = copy.add(manifest->serialize());
    copy.write_index({{bare.json(codec::media_type::kOciManifest), "bare"}});
    const nlohmann::json report = inspect_json(copy.place("bare"));
    EXPECT_EQ(report["layers"][0]["format"], "estargz");
    EXPECT_EQ(report["layers"][0]["lazy"], false);
    EXPECT_EQ(report["layers"][0]["reason"], "its TOC's digest is not in the manifest");
}

TEST_F(InspectTest, refuses_a_toc_that_is_not_the_annotated_one) {
    auto manifest = manifest_in(directory_ / "lazy", "l");
    const TestLayout copy(directory_, "lazy");
    manifest->layers[0].annotations["containerd.io/snapshot/stargz/toc.digest"] =
        codec::sha256(as_bytes("x")).text();
    const TestBlob lie = copy.add(manifest->serialize());
    copy.write_index({{lie.json(codec::media_type::kOciManifest), "lie"}});
    RecordingConsole console;
    EXPECT_EQ(run(InspectArgs{.image = copy.place("lie"), .toc = true}, console), ExitCode::failed);
    EXPECT_TRUE(console.noted("the manifest says sha256:")) << console.notes;
}

TEST_F(InspectTest, refuses_documents_that_are_not_what_they_were_served_as) {
    layout_.write_index({{image_.json(codec::media_type::kDockerManifest), "lie"}});
    RecordingConsole console;
    EXPECT_EQ(run(InspectArgs{.image = layout_.place("lie")}, console), ExitCode::failed);
    EXPECT_TRUE(console.noted("was served as")) << console.notes;
}

}  // namespace
}  // namespace lazybuild::cli
