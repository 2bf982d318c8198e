// SPDX-License-Identifier: Apache-2.0
// The small parts of the command line: places, suggestions, sizes, labels, files, unpacking.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "builder/cli/image_place.h"
#include "builder/cli/layer_unpack.h"
#include "builder/cli/oci_layout.h"
#include "builder/cli/pull_labels.h"
#include "builder/cli/spool_file.h"
#include "builder/cli/suggest.h"
#include "builder/cli/work.h"
#include "codec/gzip.h"
#include "codec/sha256.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::cli {
namespace {

TEST(ImagePlace, is_a_registry_unless_it_has_a_prefix) {
    const auto place = ImagePlace::parse("python:3.11");
    ASSERT_TRUE(place);
    EXPECT_EQ(place->kind, ImagePlace::Kind::registry);
    EXPECT_EQ(place->text(), "docker.io/library/python:3.11");
    EXPECT_EQ(ImagePlace::parse("docker://oci")->text(), "docker.io/library/oci:latest");
}

TEST(ImagePlace, has_a_path_and_perhaps_a_tag) {
    const auto place = ImagePlace::parse("oci:/a/b:v1.0");
    ASSERT_TRUE(place);
    EXPECT_EQ(place->path, "/a/b");
    EXPECT_EQ(place->tag, "v1.0");
    EXPECT_EQ(place->text(), "oci:/a/b:v1.0");
    EXPECT_EQ(ImagePlace::parse("oci:rel")->tag, "");
    EXPECT_EQ(ImagePlace::parse("oci:/odd:name/x")->path, "/odd:name/x");
    EXPECT_EQ(ImagePlace::parse("docker-archive:f.tar:t")->kind, ImagePlace::Kind::docker_archive);
}

TEST(ImagePlace, refuses_what_it_cannot_mean) {
    for (const char* text :
         {"oci:", "oci::tag", "oci:a:", "oci:a:-b", "dir:/x", "", "a/B", "containers-storage:x"}) {
        EXPECT_FALSE(ImagePlace::parse(text)) << text;
    }
    EXPECT_FALSE(ImagePlace::parse_target("oci-archive:a"));
    EXPECT_FALSE(ImagePlace::parse_target("a@" + codec::sha256({}).text()));
    EXPECT_TRUE(ImagePlace::parse_target("oci:a"));
}

TEST(Suggest, finds_the_nearest_word) {
    const std::vector<std::string> words = {"convert", "copy", "inspect", "pull"};
    EXPECT_EQ(nearest("convrt", words), "convert");
    EXPECT_EQ(nearest("copi", words), "copy");
    EXPECT_EQ(nearest("pul", words), "pull");
    EXPECT_EQ(nearest("xyzzy", words), "");
    EXPECT_EQ(nearest(std::string(1000, 'c'), words), "");
}

TEST(SizeText, counts_in_powers_of_1000) {
    EXPECT_EQ(size_text(0), "0 B");
    EXPECT_EQ(size_text(999), "999 B");
    EXPECT_EQ(size_text(1000), "1.0 kB");
    EXPECT_EQ(size_text(31'417'899), "31.4 MB");
    EXPECT_EQ(size_text(2'000'000'000'000'000), "2.0 PB");
}

TEST(SpoolFile, appears_only_when_it_is_published) {
    const test::TempDir directory;
    const std::string path = directory / "blob";
    {
        auto dropped = SpoolFile::create(directory.path());
        ASSERT_TRUE(dropped) << dropped.error().message;
        ASSERT_TRUE(write_all(dropped->fd(), as_bytes("half")));
    }
    EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
    auto file = SpoolFile::create(directory.path());
    ASSERT_TRUE(write_all(file->fd(), as_bytes("whole")));
    ASSERT_TRUE(file->publish(path));
    EXPECT_EQ(directory.read("blob"), "whole");
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0644U);
    auto second = SpoolFile::create(directory.path());
    EXPECT_TRUE(second->publish(path)) << "a name that exists is for the same content";
    EXPECT_EQ(directory.read("blob"), "whole");
}

TEST(SpoolFile, names_a_directory_that_is_not_there) {
    const auto file = SpoolFile::create("/no/such/directory");
    ASSERT_FALSE(file);
    EXPECT_NE(file.error().message.find("/no/such/directory"), std::string::npos);
}

TEST(OciLayout, refuses_other_directories) {
    const test::TempDir directory;
    EXPECT_EQ(OciLayout::open(directory.path()).error().code, std::errc::no_such_file_or_directory);
    directory.write("oci-layout", R"({"imageLayoutVersion":"2.0.0"})");
    EXPECT_EQ(OciLayout::open(directory.path()).error().code, std::errc::bad_message);
    directory.write("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    EXPECT_TRUE(OciLayout::open(directory.path()));
}

TEST(OciLayout, does_not_wait_for_a_fifo_that_poses_as_a_blob) {
    const test::TempDir directory;
    const auto layout = OciLayout::create(directory / "l");
    ASSERT_TRUE(layout) << layout.error().message;
    codec::Descriptor blob;
    blob.digest = codec::sha256(as_bytes("x"));
    directory.run("mkfifo l/blobs/sha256/" + blob.digest.hex());
    EXPECT_EQ(layout->open_blob(blob).error().code, std::errc::bad_message);
}

TEST(OciLayout, keeps_one_image_without_a_name) {
    const test::TempDir directory;
    const auto layout = OciLayout::create(directory / "l");
    ASSERT_TRUE(layout);
    codec::Descriptor image;
    image.media_type = codec::media_type::kOciManifest;
    image.digest = codec::sha256(as_bytes("one"));
    ASSERT_TRUE(layout->set_image("", image));
    ASSERT_TRUE(layout->set_image("named", image));
    image.digest = codec::sha256(as_bytes("two"));
    ASSERT_TRUE(layout->set_image("", image));
    EXPECT_EQ(layout->find("")->digest, image.digest);
    EXPECT_EQ(layout->find("named")->digest, codec::sha256(as_bytes("one")));
    EXPECT_NE(layout->find("other").error().message.find("named"), std::string::npos);
}

Result<codec::Digest> unpack(ByteView blob, MemorySink& tar, std::size_t piece_bytes) {
    LayerUnpacker unpacker{tar};
    for (std::size_t at = 0; at < blob.size(); at += piece_bytes) {
        CHECK_OK(unpacker.write(blob.subspan(at, std::min(piece_bytes, blob.size() - at))));
    }
    return unpacker.finish();
}

TEST(LayerUnpacker, sees_gzip_by_its_first_bytes) {
    const std::string text(100'000, 'a');
    MemorySink compressed;
    codec::GzipWriter writer{compressed, 1};
    ASSERT_TRUE(writer.start_member());
    ASSERT_TRUE(writer.write(as_bytes(text)));
    ASSERT_TRUE(writer.end_member());
    for (const ByteView blob : {ByteView{compressed.bytes()}, as_bytes(text)}) {
        MemorySink tar;
        const auto diff_id = unpack(blob, tar, 100);
        ASSERT_TRUE(diff_id) << diff_id.error().message;
        EXPECT_EQ(*diff_id, codec::sha256(as_bytes(text)));
        EXPECT_EQ(as_text(tar.bytes()), text);
    }
    MemorySink tar;
    EXPECT_FALSE(unpack(ByteView{compressed.bytes()}.first(50), tar, 10)) << "cut off";
}

codec::Manifest manifest_of(std::size_t layers) {
    codec::Manifest manifest;
    manifest.config.digest = codec::sha256(as_bytes("config"));
    for (std::size_t i = 0; i < layers; ++i) {
        codec::Descriptor layer;
        layer.digest = codec::sha256(as_bytes(std::to_string(i)));
        manifest.layers.push_back(layer);
    }
    return manifest;
}

LayerLabels labels_for(const codec::Manifest& manifest, std::size_t layer) {
    return LayerLabels{.image = "docker.io/library/a:1",
                       .manifest = codec::sha256(as_bytes("manifest")),
                       .layers = manifest.layers,
                       .layer = layer,
                       .diff_id = codec::sha256(as_bytes("diff")),
                       .chain_id = codec::sha256(as_bytes("chain")),
                       .parent_chain_id = "sha256:parent"};
}

TEST(PullLabels, name_the_layer_and_those_above_it) {
    codec::Manifest manifest = manifest_of(3);
    manifest.layers[1].annotations = {{"containerd.io/snapshot/stargz/toc.digest", "sha256:t"},
                                      {"containerd.io/snapshot/cri.image-ref", "a lie"},
                                      {"org.example", "x"}};
    const codec::StringMap labels = snapshot_labels(labels_for(manifest, 1));
    EXPECT_EQ(labels.at("containerd.io/snapshot.ref"), codec::sha256(as_bytes("chain")).text());
    EXPECT_EQ(labels.at("containerd.io/snapshot/cri.image-ref"), "docker.io/library/a:1");
    EXPECT_EQ(labels.at("containerd.io/snapshot/cri.layer-digest"),
              manifest.layers[1].digest.text());
    EXPECT_EQ(labels.at("containerd.io/snapshot/cri.image-layers"),
              manifest.layers[1].digest.text() + "," + manifest.layers[2].digest.text());
    EXPECT_EQ(labels.at("containerd.io/snapshot/stargz/toc.digest"), "sha256:t");
    EXPECT_EQ(labels.at("containerd.io/snapshot/parent-chain-id"), "sha256:parent");
    EXPECT_FALSE(labels.contains("org.example"));
}

TEST(PullLabels, stay_within_what_containerd_takes) {
    const codec::Manifest manifest = manifest_of(200);
    for (const auto& [name, value] : snapshot_labels(labels_for(manifest, 0))) {
        EXPECT_LE(name.size() + value.size(), kLabelBytesMax) << name;
    }
    const std::string list =
        snapshot_labels(labels_for(manifest, 0)).at("containerd.io/snapshot/cri.image-layers");
    EXPECT_GT(list.size(), 3900U) << "as many as fit";
    EXPECT_EQ((list.size() + 1) % 72, 0U) << "no digest is cut";
}

TEST(PullLabels, keep_what_belongs_together) {
    const codec::Manifest manifest = manifest_of(2);
    const codec::StringMap labels = manifest_gc_labels(manifest);
    EXPECT_EQ(labels.size(), 3U);
    EXPECT_EQ(labels.at("containerd.io/gc.ref.content.config"), manifest.config.digest.text());
    EXPECT_EQ(labels.at("containerd.io/gc.ref.content.l.1"), manifest.layers[1].digest.text());
    EXPECT_EQ(
        config_gc_labels("lazy", manifest.config.digest),
        (codec::StringMap{{"containerd.io/gc.ref.snapshot.lazy", manifest.config.digest.text()}}));
}

TEST(PullLabels, add_a_repository_to_those_that_have_a_blob) {
    const registry::Repository repository{.host = "r:5000", .name = "b/c"};
    EXPECT_EQ(source_label(repository, "").name, "containerd.io/distribution.source.r:5000");
    EXPECT_EQ(source_label(repository, "").value, "b/c");
    EXPECT_EQ(source_label(repository, "x,a").value, "a,b/c,x");
    EXPECT_EQ(source_label(repository, "b/c").value, "b/c");
    EXPECT_EQ(source_label(repository, std::string(5000, 'x')).value, "b/c");
}

}  // namespace
}  // namespace lazybuild::cli
