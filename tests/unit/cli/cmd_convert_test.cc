// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_convert.h"

#include <gtest/gtest.h>

#include "builder/cli/cmd_copy.h"
#include "builder/cli/cmd_inspect.h"
#include "codec/oci_config.h"
#include "codec/zstd.h"
#include "tests/support/docker_registry.h"
#include "tests/support/image_fixture.h"

namespace lazybuild::cli {
namespace {

constexpr std::string_view kTocDigest = "containerd.io/snapshot/stargz/toc.digest";
constexpr std::string_view kUncompressedSize = "io.containers.estargz.uncompressed-size";

class ConvertTest : public testing::Test {
  protected:
    ConvertTest() : layout_(directory_), out_(directory_ / "out") {
        lower_ = layout_.add_layer(
            "mkdir -p usr/bin etc; echo hello > etc/motd; head -c 200000 /dev/urandom > usr/bin/x; "
            "ln usr/bin/x usr/bin/y; ln -s x usr/bin/z; chmod 4755 usr/bin/x; mkfifo etc/pipe; "
            ": > etc/empty");
        lower_.media_type = codec::media_type::kDockerLayerGzip;
        upper_ = layout_.add_layer("mkdir etc; : > etc/.wh.motd; echo new > etc/new", false);
        set_image({lower_, upper_});
    }

    void set_image(const std::vector<TestLayer>& layers) {
        image_ = layout_.add_image(layers, codec::host_platform().architecture);
        layout_.write_index({{image_.entry(), "in"}});
    }

    ConvertArgs args() const {
        return ConvertArgs{.source = layout_.place("in"), .target = "oci:" + out_ + ":out"};
    }
    ExitCode convert(const ConvertArgs& how) {
        console_.data.clear();
        console_.notes.clear();
        return run(how, console_);
    }
    std::string out_blob(const codec::Digest& digest) const {
        return out_ + "/blobs/sha256/" + digest.hex();
    }
    void damage(const codec::Digest& digest) const {
        const std::string path = layout_.blob_path(digest);
        std::string bytes = TestLayout::read(path);
        bytes[bytes.size() / 2] ^= 1;
        std::ofstream{path, std::ios::binary} << bytes;
    }

    test::TempDir directory_;
    TestLayout layout_;
    std::string out_;
    TestLayer lower_;
    TestLayer upper_;
    TestBlob image_;
    RecordingConsole console_;
};

TEST_F(ConvertTest, gives_an_oci_image_whose_layers_are_annotated) {
    ASSERT_EQ(convert(args()), ExitCode::done) << console_.notes;
    const auto manifest = manifest_in(out_, "out");
    ASSERT_TRUE(manifest);
    EXPECT_EQ(manifest->media_type, codec::media_type::kOciManifest);
    EXPECT_EQ(manifest->config.media_type, codec::media_type::kOciConfig);
    EXPECT_NE(manifest->serialize().find(R"("x-kept":true)"), std::string::npos);
    const std::string config_text = TestLayout::read(out_blob(manifest->config.digest));
    const auto config = codec::ImageConfig::parse(as_bytes(config_text));
    ASSERT_TRUE(config);
    EXPECT_NE(config_text.find(R"("x-kept":1)"), std::string::npos);
    ASSERT_EQ(manifest->layers.size(), 2U);
    for (std::size_t i = 0; i < 2; ++i) {
        const codec::Descriptor& layer = manifest->layers[i];
        EXPECT_EQ(layer.media_type, codec::media_type::kOciLayerGzip);
        EXPECT_TRUE(layer.annotations.contains(std::string{kTocDigest}));
        // gunzip is the judge of what a plain puller will find.
        directory_.run("gunzip -c < " + out_blob(layer.digest) + " > plain.tar");
        const std::string tar = TestLayout::read(directory_ / "plain.tar");
        EXPECT_EQ(codec::sha256(as_bytes(tar)), config->diff_ids[i]);
        EXPECT_EQ(std::to_string(tar.size()), layer.annotations.at(std::string{kUncompressedSize}));
    }
}

TEST_F(ConvertTest, keeps_every_file_as_gnu_tar_sees_it) {
    ASSERT_EQ(convert(args()), ExitCode::done) << console_.notes;
    const auto manifest = manifest_in(out_, "out");
    directory_.run("tar -tvzf " + layout_.blob_path(lower_.blob.digest) +
                   " --numeric-owner | sed 's,\\./,,g' | sort > before");
    directory_.run("tar -tvzf " + out_blob(manifest->layers[0].digest) +
                   " --numeric-owner | sed 's,\\./,,g' | grep -v landmark | "
                   "grep -v stargz.index.json | sort > after");
    directory_.run("diff before after && test $(wc -l < after) -gt 8");
    directory_.run("mkdir a b && tar -xzf " + layout_.blob_path(lower_.blob.digest) +
                   " -C a && tar -xzf " + out_blob(manifest->layers[0].digest) +
                   " -C b && diff -r --no-dereference -x pipe -x '*landmark' "
                   "-x stargz.index.json a b");
}

TEST_F(ConvertTest, is_reproducible) {
    ASSERT_EQ(convert(args()), ExitCode::done) << console_.notes;
    const std::string first = console_.data;
    ConvertArgs again = args();
    again.target = "oci:" + (directory_ / "again") + ":out";
    ASSERT_EQ(convert(again), ExitCode::done) << console_.notes;
    EXPECT_EQ(console_.data, first);
    directory_.run("diff -r out again");
}

TEST_F(ConvertTest, of_a_converted_image_changes_nothing) {
    ASSERT_EQ(convert(args()), ExitCode::done) << console_.notes;
    const std::string first = console_.data;
    ConvertArgs again;
    again.source = "oci:" + out_ + ":out";
    again.target = "oci:" + (directory_ / "again") + ":out";
    ASSERT_EQ(convert(again), ExitCode::done) << console_.notes;
    EXPECT_EQ(console_.data, first);
    EXPECT_TRUE(console_.noted("is eStargz already")) << console_.notes;
    directory_.run("diff -r out/blobs again/blobs");
}

TEST_F(ConvertTest, makes_layers_anew_whose_toc_is_not_the_annotated_one) {
    ASSERT_EQ(convert(args()), ExitCode::done) << console_.notes;
    const std::string good = console_.data;
    auto manifest = manifest_in(out_, "out");
    manifest->layers[0].annotations[std::string{kTocDigest}] =
        codec::sha256(as_bytes("another")).text();
    const TestLayout lying(directory_, "out");
    const TestBlob image = lying.add(manifest->serialize());
    lying.write_index({{image.json(codec::media_type::kOciManifest), "lie"}});
    ConvertArgs again;
    again.source = lying.place("lie");
    again.target = "oci:" + (directory_ / "again") + ":out";
    ASSERT_EQ(convert(again), ExitCode::done) << console_.notes;
    EXPECT_TRUE(console_.noted("made anew")) << console_.notes;
    EXPECT_EQ(console_.data, good);
}

TEST_F(ConvertTest, puts_prioritized_files_first_and_names_those_that_are_nowhere) {
    directory_.write("first.txt", "/etc/new\n\nusr/bin/x\r\nno/such/file\n");
    ConvertArgs how = args();
    how.prioritize = directory_ / "first.txt";
    ASSERT_EQ(convert(how), ExitCode::done) << console_.notes;
    EXPECT_TRUE(console_.noted("no layer has no/such/file")) << console_.notes;
    EXPECT_FALSE(console_.noted("no layer has /etc/new")) << console_.notes;
    const auto manifest = manifest_in(out_, "out");
    directory_.run("tar -tzf " + out_blob(manifest->layers[1].digest) + " > names");
    const std::string names = directory_.read("names");
    EXPECT_LT(names.find("etc/new"), names.find(".prefetch.landmark")) << names;
    EXPECT_LT(names.find(".prefetch.landmark"), names.find("etc/.wh.motd")) << names;
}

TEST_F(ConvertTest, of_a_damaged_layer_fails_and_tags_nothing) {
    damage(lower_.blob.digest);
    EXPECT_EQ(convert(args()), ExitCode::failed);
    EXPECT_TRUE(console_.noted(lower_.blob.digest.text())) << console_.notes;
    EXPECT_FALSE(manifest_in(out_, "out"));
    EXPECT_EQ(console_.data, "");
}

// The blob is what the manifest says, but its tar is not what the config says.
TEST_F(ConvertTest, of_another_diff_id_fails) {
    TestLayer liar = lower_;
    liar.diff_id = codec::sha256(as_bytes("something else"));
    set_image({liar});
    EXPECT_EQ(convert(args()), ExitCode::failed);
    EXPECT_TRUE(console_.noted("diffID")) << console_.notes;
    EXPECT_FALSE(manifest_in(out_, "out"));
}

// Nothing of it: not even a blob that nobody names.
TEST_F(ConvertTest, of_another_diff_id_stores_no_layer) {
    lower_.diff_id = codec::Digest{};
    set_image({lower_});
    EXPECT_EQ(convert(args()), ExitCode::failed);
    directory_.run("ls " + out_ + "/blobs/sha256 > stored");
    EXPECT_EQ(directory_.read("stored"), "");
}

TEST_F(ConvertTest, takes_the_last_of_equal_paths) {
    directory_.run(
        "mkdir r && cd r && echo old > a && tar -cf ../twice.tar a && echo new > a && "
        "tar -rf ../twice.tar a");
    const std::string tar = TestLayout::read(directory_ / "twice.tar");
    TestLayer layer;
    layer.blob = layout_.add(tar);
    layer.media_type = codec::media_type::kOciLayer;
    layer.diff_id = codec::sha256(as_bytes(tar));
    set_image({layer});
    ASSERT_EQ(convert(args()), ExitCode::done) << console_.notes;
    const auto manifest = manifest_in(out_, "out");
    ASSERT_TRUE(manifest);
    directory_.run("gunzip -c < " + out_blob(manifest->layers[0].digest) + " | tar -xO a > found");
    EXPECT_EQ(directory_.read("found"), "new\n");
}

TEST_F(ConvertTest, gives_the_same_image_on_any_number_of_threads) {
    std::string expected;
    for (const std::size_t jobs : {1UL, 2UL, 7UL}) {
        ConvertArgs how = args();
        how.jobs = jobs;
        how.target = "oci:" + out_ + std::to_string(jobs) + ":out";
        ASSERT_EQ(convert(how), ExitCode::done) << console_.notes;
        expected = expected.empty() ? console_.data : expected;
        EXPECT_EQ(console_.data, expected);
    }
}

TEST_F(ConvertTest, of_a_cut_off_gzip_stream_fails) {
    TestLayer cut = lower_;
    const std::string whole = TestLayout::read(layout_.blob_path(lower_.blob.digest));
    cut.blob = layout_.add(std::string_view{whole}.substr(0, whole.size() - 9));
    set_image({cut});
    EXPECT_EQ(convert(args()), ExitCode::failed);
    EXPECT_FALSE(manifest_in(out_, "out"));
}

TEST_F(ConvertTest, makes_of_a_zstd_layer_what_it_makes_of_the_same_tar_in_gzip) {
    ASSERT_EQ(convert(args()), ExitCode::done) << console_.notes;
    const auto expected = manifest_in(out_, "out");
    directory_.run("gunzip -c < " + layout_.blob_path(lower_.blob.digest) + " > lower.tar");
    Bytes frame;
    codec::ZstdFrameCompressor{codec::kZstdLevelDefault}.append(
        as_bytes(directory_.read("lower.tar")), frame);
    TestLayer zstd = lower_;
    zstd.blob = layout_.add(as_text(frame));
    zstd.media_type = codec::media_type::kOciLayerZstd;
    set_image({zstd, upper_});
    ConvertArgs again = args();
    again.target = "oci:" + (directory_ / "again") + ":out";
    ASSERT_EQ(convert(again), ExitCode::done) << console_.notes;
    const auto found = manifest_in(directory_ / "again", "out");
    ASSERT_TRUE(found && expected);
    EXPECT_EQ(found->layers[0].digest, expected->layers[0].digest);
    EXPECT_EQ(found->layers[0].media_type, codec::media_type::kOciLayerGzip);
}

TEST_F(ConvertTest, refuses_what_only_begins_like_zstd) {
    TestLayer broken = upper_;
    broken.blob = layout_.add(std::string_view{"\x28\xb5\x2f\xfd and more of it", 20});
    set_image({lower_, broken});
    EXPECT_EQ(convert(args()), ExitCode::failed);
    EXPECT_TRUE(console_.noted("zstd")) << console_.notes;
}

TEST_F(ConvertTest, refuses_what_is_no_image) {
    const TestBlob empty = layout_.add("{}");
    const TestBlob chart = layout_.add(fmt::format(
        R"({{"schemaVersion":2,"config":{},"layers":[{}]}})",
        empty.json("application/vnd.cncf.helm.config.v1+json"), empty.json("application/x")));
    layout_.write_index({{chart.json(codec::media_type::kOciManifest), "in"}});
    EXPECT_EQ(convert(args()), ExitCode::failed);
    EXPECT_TRUE(console_.noted("no container image")) << console_.notes;
}

TEST_F(ConvertTest, of_one_layer_twice_converts_it_once) {
    set_image({lower_, upper_, lower_});
    ASSERT_EQ(convert(args()), ExitCode::done) << console_.notes;
    const auto manifest = manifest_in(out_, "out");
    EXPECT_EQ(manifest->layers[0].digest, manifest->layers[2].digest);
    const std::size_t first = console_.notes.find(" → ");
    const std::size_t second = console_.notes.find(" → ", first + 1);
    EXPECT_EQ(console_.notes.find(" → ", second + 1), std::string::npos) << console_.notes;
}

TEST_F(ConvertTest, that_is_interrupted_tags_nothing) {
    console_.interrupt_at = " → ";
    EXPECT_EQ(convert(args()), ExitCode::failed);
    EXPECT_TRUE(console_.noted("interrupted")) << console_.notes;
    EXPECT_FALSE(manifest_in(out_, "out"));
}

TEST_F(ConvertTest, of_all_platforms_gives_an_index_without_attestations) {
    const TestBlob arm = layout_.add_image({upper_}, "arm64");
    const TestBlob attestation = layout_.add_image({}, "unknown");
    const TestBlob index = layout_.add(
        fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","manifests":[{},{},{}],"x-kept":2}})",
                    codec::media_type::kDockerList,
                    image_.entry(R"(,"platform":{"os":"linux","architecture":"amd64"})"),
                    arm.entry(R"(,"platform":{"os":"linux","architecture":"arm64"})"),
                    attestation.entry(R"(,"platform":{"os":"unknown","architecture":"unknown"})")));
    layout_.write_index({{index.json(codec::media_type::kDockerList), "in"}});
    ConvertArgs how = args();
    how.all_platforms = true;
    ASSERT_EQ(convert(how), ExitCode::done) << console_.notes;
    EXPECT_TRUE(console_.noted("an attestation")) << console_.notes;

    const std::string root = TestLayout::read(out_ + "/index.json");
    const auto layout_index = codec::Index::parse(as_bytes(root), "");
    const std::string text = TestLayout::read(out_blob(layout_index->manifests[0].digest));
    const auto made = codec::Index::parse(as_bytes(text), codec::media_type::kOciIndex);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_NE(text.find(R"("x-kept":2)"), std::string::npos);
    ASSERT_EQ(made->manifests.size(), 2U);
    EXPECT_EQ(made->manifests[0].platform->text(), "linux/amd64");
    EXPECT_EQ(made->manifests[1].platform->text(), "linux/arm64");
    directory_.run("skopeo copy --all oci:out:out oci:checked:x > /dev/null");

    ConvertArgs one = args();
    one.platform = "linux/arm64";
    one.target = "oci:" + (directory_ / "arm") + ":out";
    ASSERT_EQ(convert(one), ExitCode::done) << console_.notes;
    EXPECT_EQ(console_.data, made->manifests[1].digest.text() + "\n");
}

TEST_F(ConvertTest, from_and_to_a_registry_gives_the_same_image) {
    LAZYBUILD_START_REGISTRY(registry);
    const std::string source = registry->host() + "/app:in";
    ASSERT_EQ(run(CopyArgs{.source = layout_.place("in"), .target = source}, console_),
              ExitCode::done);
    ASSERT_EQ(convert(args()), ExitCode::done) << console_.notes;
    const std::string expected = console_.data;
    ConvertArgs how;
    how.source = source;
    how.target = registry->host() + "/app:lazy";
    ASSERT_EQ(convert(how), ExitCode::done) << console_.notes;
    EXPECT_EQ(console_.data, expected);
    directory_.run("skopeo copy --src-tls-verify=false docker://" + how.target +
                   " oci:pulled:x > /dev/null && diff -r out/blobs pulled/blobs");

    RecordingConsole inspected;
    ASSERT_EQ(run(InspectArgs{.image = how.target}, inspected), ExitCode::done);
    EXPECT_NE(inspected.data.find("estargz"), std::string::npos) << inspected.data;
    EXPECT_EQ(inspected.data.find("not lazy"), std::string::npos) << inspected.data;
}

}  // namespace
}  // namespace lazybuild::cli
