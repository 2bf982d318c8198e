// SPDX-License-Identifier: Apache-2.0
#include "builder/export/exporter.h"

#include <gtest/gtest.h>

#include "codec/oci_config.h"
#include "tests/unit/export/test_store.h"

namespace lazybuild::exporter {
namespace {

using test::make_image;

class ExporterTest : public test::ExportFixture {
  protected:
    static std::vector<layers::LayerPointer> two_layers() {
        return {test::LayerBuilder{}
                    .directory("d", 0711)
                    .file("d/a", std::string(300'000, 'a'), 0600)
                    .hardlink("d/b", "d/a")
                    .symlink("link", "d/a")
                    .finish("one"),
                test::LayerBuilder{}
                    .directory("d", 0755, 7)
                    .file("d/.wh.b", "")
                    .file("new", "n")
                    .finish("two")};
    }
    std::string text_of(const codec::Descriptor& blob, const std::string& layout) {
        return cli::TestLayout::read(layout + "/blobs/sha256/" + blob.digest.hex());
    }
};

TEST_F(ExporterTest, writes_an_archive_that_other_programs_read) {
    const Exported made =
        exported("type=oci,name=host.example/app:1,dest=" + (directory_ / "o.tar"),
                 {make_image(two_layers())});
    EXPECT_EQ(made.names, std::vector<std::string>{"host.example/app:1"});
    directory_.run("skopeo inspect oci-archive:o.tar:1 > inspected && grep -q " +
                   made.root.digest.hex() + " inspected");
    directory_.run("skopeo copy -q oci-archive:o.tar:1 dir:copied");
    // All that is named is there, and what is there is named.
    directory_.run("mkdir x && tar -C x -xf o.tar && test $(ls x/blobs/sha256 | wc -l) = 4");
    directory_.run(
        "cd x/blobs/sha256 && for f in *; do test $(sha256sum < $f | cut -c1-64) = $f "
        "|| exit 1; done");
}

TEST_F(ExporterTest, writes_a_directory_with_layers_that_unpack_to_the_files) {
    exported("type=oci,tar=false,name=app:1,dest=" + (directory_ / "o"),
             {make_image(two_layers())});
    const auto manifest = cli::manifest_in(directory_ / "o", "1");
    ASSERT_TRUE(manifest);
    ASSERT_EQ(manifest->layers.size(), 2U);
    const codec::Descriptor& layer = manifest->layers[0];
    EXPECT_TRUE(layer.annotations.contains("containerd.io/snapshot/stargz/toc.digest"));
    EXPECT_TRUE(layer.annotations.contains("io.containers.estargz.uncompressed-size"));
    directory_.run("mkdir u && tar -C u -xzf o/blobs/sha256/" + layer.digest.hex() +
                   " && cmp u/d/a u/d/b && test $(stat -c %h u/d/a) = 2 && test -L u/link && "
                   "test $(stat -c %a u/d) = 711");
    directory_.run("tar -tzf o/blobs/sha256/" + manifest->layers[1].digest.hex() +
                   " | grep -qx d/.wh.b");
}

TEST_F(ExporterTest, writes_a_layout_that_umoci_unpacks) {
    exported("type=oci,tar=false,compression=gzip,name=app:1,dest=" + (directory_ / "o"),
             {make_image(two_layers())}, {.source_date_epoch_s = 1'000'000'000});
    directory_.run(
        "umoci stat --image o:1 > stat && umoci unpack --rootless --image o:1 u "
        "> log 2>&1 && test ! -e u/rootfs/d/b && test -f u/rootfs/d/a && "
        "test $(cat u/rootfs/new) = n && grep -q /bin/cat u/config.json");
}

TEST_F(ExporterTest, gives_equal_bytes_whatever_the_workers) {
    const Exported one =
        exported("type=oci,dest=" + (directory_ / "1.tar"), {make_image(two_layers())});
    open_session(7);
    test::FakeStore other{directory_ / "other"};
    const auto two = export_with(other, output("type=oci,dest=" + (directory_ / "2.tar")),
                                 {make_image(two_layers())});
    ASSERT_TRUE(two && *two);
    EXPECT_EQ(one.root.digest, (*two)->root.digest);
    directory_.run("cmp 1.tar 2.tar");
}

TEST_F(ExporterTest, writes_a_layer_once_for_all_outputs) {
    const std::vector<layers::LayerPointer> layers = two_layers();
    exported("type=oci,dest=" + (directory_ / "1.tar"), {make_image(layers)});
    EXPECT_EQ(store_.kept, 2);
    const auto* const read = dynamic_cast<test::FakeLayer*>(layers[0].get());
    const int reads = read->reads;
    exported("type=docker,name=app:1,dest=" + (directory_ / "2.tar"), {make_image(layers)});
    EXPECT_EQ(store_.kept, 2);
    EXPECT_EQ(read->reads, reads);
}

TEST_F(ExporterTest, says_the_epoch_and_nothing_without_one) {
    exported("type=oci,tar=false,name=app:1,dest=" + (directory_ / "o"),
             {make_image(two_layers())});
    std::string config = text_of(cli::manifest_in(directory_ / "o", "1")->config, directory_ / "o");
    EXPECT_EQ(config.find("created\""), std::string::npos) << config;
    exported("type=oci,tar=false,name=app:2,dest=" + (directory_ / "o"), {make_image(two_layers())},
             {.source_date_epoch_s = 1'000'000'000});
    config = text_of(cli::manifest_in(directory_ / "o", "2")->config, directory_ / "o");
    EXPECT_NE(config.find(R"("created":"2001-09-09T01:46:40Z")"), std::string::npos) << config;
}

TEST_F(ExporterTest, keeps_what_the_history_of_the_base_says) {
    BuiltImage image = make_image(two_layers());
    image.settings.original = R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers",)"
                              R"("diff_ids":[]},"history":[{"created":"2020-01-01T00:00:00Z"}]})";
    image.settings.history[0].created = "2020-01-01T00:00:00Z";
    exported("type=oci,tar=false,name=app:1,dest=" + (directory_ / "o"), {image},
             {.source_date_epoch_s = 1'000'000'000});
    const std::string config =
        text_of(cli::manifest_in(directory_ / "o", "1")->config, directory_ / "o");
    EXPECT_NE(config.find("2020-01-01T00:00:00Z"), std::string::npos) << config;
    EXPECT_EQ(codec::ImageConfig::parse(as_bytes(config))->diff_ids.size(), 2U);
}

TEST_F(ExporterTest, rewrites_the_times_of_files) {
    exported("type=oci,tar=false,rewrite-timestamp=true,name=app:1,dest=" + (directory_ / "o"),
             {make_image(two_layers())}, {.source_date_epoch_s = 1'400'000'000});
    const auto manifest = cli::manifest_in(directory_ / "o", "1");
    directory_.run("mkdir u && tar -C u -xzf o/blobs/sha256/" + manifest->layers[0].digest.hex() +
                   " && test $(stat -c %Y u/d) = 1400000000");
    EXPECT_NE(error_of("type=oci,rewrite-timestamp=true,dest=" + (directory_ / "x.tar"),
                       {make_image(two_layers())})
                  .find("SOURCE_DATE_EPOCH"),
              std::string::npos);
}

TEST_F(ExporterTest, squashes_new_layers_into_one) {
    exported("type=oci,tar=false,name=app:1,dest=" + (directory_ / "o"), {make_image(two_layers())},
             {.squash = true});
    const auto manifest = cli::manifest_in(directory_ / "o", "1");
    ASSERT_EQ(manifest->layers.size(), 1U);
    directory_.run("mkdir u && tar -C u -xzf o/blobs/sha256/" + manifest->layers[0].digest.hex() +
                   " && test -e u/d/a && test ! -e u/d/b && test -e u/d/.wh.b && test -e u/new");
    const auto config =
        codec::ImageConfig::parse(as_bytes(text_of(manifest->config, directory_ / "o")));
    EXPECT_EQ(config->diff_ids.size(), 1U);
    EXPECT_TRUE(config->history[0].empty_layer);
    EXPECT_FALSE(config->history[1].empty_layer);
}

TEST_F(ExporterTest, joins_platforms_in_an_index_with_annotations) {
    exported(
        "type=oci,tar=false,name=app:1,annotation.all=1,annotation[linux/arm64].arm=2,"
        "annotation-index.top=3,annotation-manifest-descriptor.near=4,dest=" +
            (directory_ / "o"),
        {make_image(two_layers()), make_image(two_layers(), "linux/arm64")});
    directory_.run(
        "skopeo inspect --raw oci:o:1 > index && grep -q '\"top\":\"3\"' index && "
        "grep -q '\"near\":\"4\"' index");
    directory_.run(
        "skopeo --override-arch arm64 copy -q oci:o:1 dir:arm && "
        "grep -q '\"arm\":\"2\"' arm/manifest.json && "
        "grep -q '\"all\":\"1\"' arm/manifest.json");
    EXPECT_NE(error_of("type=oci,annotation-index.a=1,dest=" + (directory_ / "x.tar"),
                       {make_image(two_layers())})
                  .find("index"),
              std::string::npos);
}

TEST_F(ExporterTest, speaks_docker_when_it_has_to) {
    exported("type=oci,tar=false,oci-mediatypes=false,compression=gzip,name=app:1,dest=" +
                 (directory_ / "o"),
             {make_image(two_layers())});
    const auto manifest = cli::manifest_in(directory_ / "o", "1");
    EXPECT_EQ(manifest->media_type, codec::media_type::kDockerManifest);
    EXPECT_EQ(manifest->layers[0].media_type, codec::media_type::kDockerLayerGzip);
    EXPECT_TRUE(manifest->layers[0].annotations.empty());
}

TEST_F(ExporterTest, compresses_as_it_is_told) {
    for (const std::string compression : {"uncompressed", "gzip", "zstd"}) {
        exported("type=oci,tar=false,compression=" + compression + ",name=app:" + compression +
                     ",dest=" + (directory_ / "o"),
                 {make_image(two_layers())});
        const auto manifest = cli::manifest_in(directory_ / "o", compression);
        const std::string blob = "o/blobs/sha256/" + manifest->layers[0].digest.hex();
        const auto config =
            codec::ImageConfig::parse(as_bytes(text_of(manifest->config, directory_ / "o")));
        const std::string program = compression == "gzip"   ? "gzip -dc "
                                    : compression == "zstd" ? "zstd -qdc "
                                                            : "cat ";
        directory_.run("test $(" + program + blob +
                       " | sha256sum | cut -c1-64) = " + config->diff_ids[0].hex());
        directory_.run("skopeo copy -q oci:o:" + compression + " dir:" + compression);
    }
    EXPECT_EQ(store_.kept, 6);
}

TEST_F(ExporterTest, leaves_nothing_at_the_name_when_it_fails) {
    BuiltImage image = make_image(two_layers());
    image.layer_ids.push_back(codec::sha256(as_bytes("nobody has it")));
    const std::string error = error_of("type=oci,dest=" + (directory_ / "x.tar"), {image});
    EXPECT_NE(error.find("not in the store"), std::string::npos) << error;
    directory_.run("! ls x.tar*");
    EXPECT_NE(progress_.log.find("end 2"), std::string::npos) << progress_.log;
}

}  // namespace
}  // namespace lazybuild::exporter
