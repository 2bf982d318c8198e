// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_copy.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/docker_registry.h"
#include "tests/support/image_fixture.h"

namespace lazybuild::cli {
namespace {

class CopyTest : public testing::Test {
  protected:
    CopyTest() : layout_(directory_) {
        image_ = layout_.add_image({layout_.add_layer("echo one > a; mkdir d; ln -s ../a d/link"),
                                    layout_.add_layer("head -c 300000 /dev/urandom > b")});
        layout_.write_index({{image_.entry(), "v1"}});
    }

    ExitCode copy(const std::string& source, const std::string& target,
                  const std::string& platform = "") {
        console_.data.clear();
        console_.notes.clear();
        return run(CopyArgs{.source = source, .target = target, .platform = platform}, console_);
    }

    test::TempDir directory_;
    TestLayout layout_;
    TestBlob image_;
    RecordingConsole console_;
};

TEST_F(CopyTest, between_layouts_keeps_every_byte) {
    const std::string out = directory_ / "out";
    ASSERT_EQ(copy(layout_.place("v1"), "oci:" + out + ":v2"), ExitCode::done) << console_.notes;
    EXPECT_EQ(console_.data, digest_line(image_));
    EXPECT_TRUE(manifest_in(out, "v2"));
    directory_.run("diff -r in/blobs out/blobs");
    directory_.run("skopeo inspect oci:out:v2 > /dev/null");
}

TEST_F(CopyTest, leaves_no_other_files_in_a_layout) {
    ASSERT_EQ(copy(layout_.place("v1"), "oci:" + (directory_ / "out") + ":v2"), ExitCode::done);
    directory_.run("test -z \"$(find out -name '.*' -mindepth 1)\"");
    directory_.run("test $(ls -A out | wc -l) = 3");
}

TEST_F(CopyTest, replaces_a_tag_and_keeps_the_others) {
    const std::string out = directory_ / "out";
    ASSERT_EQ(copy(layout_.place("v1"), "oci:" + out + ":old"), ExitCode::done);
    ASSERT_EQ(copy(layout_.place("v1"), "oci:" + out + ":v"), ExitCode::done);
    const TestBlob other = layout_.add_image({layout_.add_layer("echo other > o")});
    layout_.write_index({{other.entry(), "v1"}});
    ASSERT_EQ(copy(layout_.place("v1"), "oci:" + out + ":v"), ExitCode::done);
    EXPECT_EQ(manifest_in(out, "old")->layers.size(), 2U);
    EXPECT_EQ(manifest_in(out, "v")->layers.size(), 1U);
}

TEST_F(CopyTest, of_an_index_takes_all_its_manifests) {
    const TestBlob arm = layout_.add_image({layout_.add_layer("echo arm > a")}, "arm64");
    const TestBlob attestation = layout_.add_image({}, "unknown");
    const TestBlob index = layout_.add(
        fmt::format(R"({{"schemaVersion":2,"manifests":[{},{},{}]}})",
                    image_.entry(R"(,"platform":{"os":"linux","architecture":"amd64"})"),
                    arm.entry(R"(,"platform":{"os":"linux","architecture":"arm64"})"),
                    attestation.entry(R"(,"platform":{"os":"unknown","architecture":"unknown"})")));
    layout_.write_index({{index.json(codec::media_type::kOciIndex), "multi"}});
    ASSERT_EQ(copy(layout_.place("multi"), "oci:" + (directory_ / "all") + ":x"), ExitCode::done)
        << console_.notes;
    EXPECT_EQ(console_.data, digest_line(index));
    directory_.run("diff -r in/blobs all/blobs");

    ASSERT_EQ(copy(layout_.place("multi"), "oci:" + (directory_ / "arm") + ":x", "linux/arm64"),
              ExitCode::done);
    EXPECT_EQ(console_.data, digest_line(arm));
    EXPECT_EQ(manifest_in(directory_ / "arm", "x")->layers.size(), 1U);

    EXPECT_EQ(copy(layout_.place("multi"), "oci:" + (directory_ / "no") + ":x", "linux/s390x"),
              ExitCode::failed);
    EXPECT_TRUE(console_.noted("it has: linux/amd64, linux/arm64")) << console_.notes;
}

TEST_F(CopyTest, refuses_a_platform_that_a_single_image_is_not_for) {
    EXPECT_EQ(copy(layout_.place("v1"), "oci:" + (directory_ / "out") + ":x", "linux/arm64"),
              ExitCode::failed);
    EXPECT_TRUE(console_.noted("an image for linux/amd64, not for linux/arm64"));
}

TEST_F(CopyTest, of_a_damaged_blob_fails_and_tags_nothing) {
    const auto manifest = manifest_in(layout_.path(), "v1");
    const std::string path = layout_.blob_path(manifest->layers[1].digest);
    std::string bytes = TestLayout::read(path);
    bytes[bytes.size() / 2] ^= 1;
    std::ofstream{path, std::ios::binary} << bytes;
    const std::string out = directory_ / "out";
    EXPECT_EQ(copy(layout_.place("v1"), "oci:" + out + ":x"), ExitCode::failed);
    EXPECT_TRUE(console_.noted(manifest->layers[1].digest.text())) << console_.notes;
    EXPECT_TRUE(console_.noted("corrupt")) << console_.notes;
    EXPECT_FALSE(manifest_in(out, "x"));
    EXPECT_FALSE(
        std::filesystem::exists(out + "/blobs/sha256/" + manifest->layers[1].digest.hex()));
    EXPECT_EQ(console_.data, "");
}

TEST_F(CopyTest, repairs_a_blob_of_the_wrong_size_at_the_target) {
    const std::string out = directory_ / "out";
    ASSERT_EQ(copy(layout_.place("v1"), "oci:" + out + ":x"), ExitCode::done);
    const auto manifest = manifest_in(out, "x");
    std::ofstream{out + "/blobs/sha256/" + manifest->layers[0].digest.hex()} << "short";
    ASSERT_EQ(copy(layout_.place("v1"), "oci:" + out + ":x"), ExitCode::done) << console_.notes;
    directory_.run("diff -r in/blobs out/blobs");
}

TEST_F(CopyTest, that_is_interrupted_tags_nothing) {
    console_.interrupt_at = "copied";
    const std::string out = directory_ / "out";
    EXPECT_EQ(copy(layout_.place("v1"), "oci:" + out + ":x"), ExitCode::failed);
    EXPECT_TRUE(console_.noted("interrupted")) << console_.notes;
    EXPECT_FALSE(manifest_in(out, "x"));
}

TEST_F(CopyTest, says_what_is_wrong_with_the_command_line) {
    EXPECT_EQ(copy("dir:/x", "oci:/y"), ExitCode::usage);
    EXPECT_EQ(copy("a", "oci-archive:/y"), ExitCode::usage);
    EXPECT_EQ(copy("a", "b@" + image_.digest.text()), ExitCode::usage);
    EXPECT_EQ(copy("a", "B"), ExitCode::usage);
    EXPECT_EQ(copy("a", "b", "x/y/z/w"), ExitCode::usage);
    EXPECT_EQ(run(CopyArgs{.source = "a", .target = "b", .registry = {.credentials = "nobody"}},
                  console_),
              ExitCode::usage);
}

TEST_F(CopyTest, names_the_tags_when_the_one_asked_for_is_not_there) {
    EXPECT_EQ(copy(layout_.place("v9"), "oci:" + (directory_ / "out")), ExitCode::failed);
    EXPECT_TRUE(console_.noted("v1")) << console_.notes;
    EXPECT_EQ(copy("oci:" + (directory_ / "nowhere"), "oci:" + (directory_ / "out")),
              ExitCode::failed);
    EXPECT_TRUE(console_.noted("not an OCI image layout")) << console_.notes;
}

TEST_F(CopyTest, does_not_make_a_layout_among_other_files) {
    directory_.run("mkdir home && touch home/letter");
    EXPECT_EQ(copy(layout_.place("v1"), "oci:" + (directory_ / "home")), ExitCode::failed);
    directory_.run("test \"$(ls -A home)\" = letter");
}

class CopyRegistryTest : public CopyTest {
  protected:
    std::string at(const test::DockerRegistry& registry, const std::string& name) {
        return registry.host() + "/" + name;
    }
};

TEST_F(CopyRegistryTest, there_and_back_keeps_every_byte) {
    LAZYBUILD_START_REGISTRY(registry);
    ASSERT_EQ(copy(layout_.place("v1"), at(*registry, "a/b:1")), ExitCode::done) << console_.notes;
    EXPECT_EQ(console_.data, digest_line(image_));
    ASSERT_EQ(copy("docker://" + at(*registry, "a/b:1"), "oci:" + (directory_ / "out") + ":x"),
              ExitCode::done)
        << console_.notes;
    directory_.run("diff -r in/blobs out/blobs");
    directory_.run("skopeo inspect --tls-verify=false docker://" + at(*registry, "a/b:1") +
                   " | grep -q " + image_.digest.text());
}

TEST_F(CopyRegistryTest, mounts_blobs_from_another_repository_of_the_registry) {
    LAZYBUILD_START_REGISTRY(registry);
    ASSERT_EQ(copy(layout_.place("v1"), at(*registry, "one:1")), ExitCode::done) << console_.notes;
    ASSERT_EQ(copy(at(*registry, "one:1"), at(*registry, "two:1")), ExitCode::done)
        << console_.notes;
    EXPECT_TRUE(console_.noted("3 mounted")) << console_.notes;
    EXPECT_TRUE(console_.noted("0 B copied")) << console_.notes;
    ASSERT_EQ(copy(at(*registry, "one:1"), at(*registry, "two:1")), ExitCode::done);
    EXPECT_TRUE(console_.noted("3 were there")) << console_.notes;
}

TEST_F(CopyRegistryTest, from_one_registry_to_another_streams) {
    LAZYBUILD_START_REGISTRY(one);
    LAZYBUILD_START_REGISTRY(two);
    ASSERT_EQ(copy(layout_.place("v1"), at(*one, "a:1")), ExitCode::done) << console_.notes;
    ASSERT_EQ(copy(at(*one, "a:1"), at(*two, "b:2")), ExitCode::done) << console_.notes;
    EXPECT_EQ(console_.data, digest_line(image_));
    ASSERT_EQ(copy(at(*two, "b:2"), "oci:" + (directory_ / "out") + ":x"), ExitCode::done);
    directory_.run("diff -r in/blobs out/blobs");
}

TEST_F(CopyRegistryTest, of_a_damaged_blob_tags_nothing_in_a_registry) {
    LAZYBUILD_START_REGISTRY(registry);
    const auto manifest = manifest_in(layout_.path(), "v1");
    const std::string path = layout_.blob_path(manifest->layers[0].digest);
    std::string bytes = TestLayout::read(path);
    bytes.back() ^= 1;
    std::ofstream{path, std::ios::binary} << bytes;
    EXPECT_EQ(copy(layout_.place("v1"), at(*registry, "a:1")), ExitCode::failed);
    EXPECT_TRUE(console_.noted("corrupt")) << console_.notes;
    EXPECT_EQ(copy(at(*registry, "a:1"), "oci:" + (directory_ / "out")), ExitCode::failed);
}

TEST_F(CopyRegistryTest, of_what_is_not_there_says_so) {
    LAZYBUILD_START_REGISTRY(registry);
    EXPECT_EQ(copy(at(*registry, "none:1"), "oci:" + (directory_ / "out")), ExitCode::failed);
    EXPECT_TRUE(console_.noted("none")) << console_.notes;
}

}  // namespace
}  // namespace lazybuild::cli
