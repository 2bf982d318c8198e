// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/image_layers.h"

#include <gtest/gtest.h>

#include "codec/oci_config.h"
#include "codec/oci_platform.h"
#include "codec/sha256.h"

namespace lazybuild::service {
namespace {

codec::Digest digest_of(char digit) {
    return codec::Digest::parse("sha256:" + std::string(64, digit)).value();
}

Bytes bytes_of(std::string_view text) {
    const ByteView view = as_bytes(text);
    return {view.begin(), view.end()};
}

std::string config_of(const std::vector<codec::Digest>& diff_ids) {
    std::string list;
    for (const codec::Digest& diff_id : diff_ids) {
        list += (list.empty() ? "\"" : ",\"") + diff_id.text() + "\"";
    }
    return R"({"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[)" + list +
           "]}}";
}

std::string layer_json(char blob, const std::string& type, const std::string& toc) {
    return R"({"mediaType":")" + type + R"(","digest":")" + digest_of(blob).text() +
           R"(","size":7,"annotations":{"containerd.io/snapshot/stargz/toc.digest":")" + toc +
           "\"}}";
}

registry::Document manifest_of(const std::string& config, const std::string& layers) {
    const std::string text =
        R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)"
        R"({"mediaType":"application/vnd.oci.image.config.v1+json","digest":")" +
        codec::sha256(as_bytes(config)).text() + R"(","size":)" + std::to_string(config.size()) +
        R"(},"layers":[)" + layers + "]}";
    return {.media_type = "", .digest = codec::sha256(as_bytes(text)), .bytes = bytes_of(text)};
}

constexpr const char* kGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
constexpr const char* kZstd = "application/vnd.oci.image.layer.v1.tar+zstd";
constexpr const char* kDocker = "application/vnd.docker.image.rootfs.diff.tar.gzip";

TEST(Image, says_which_layers_are_lazy_and_why_not) {
    const std::string config =
        config_of({digest_of('1'), digest_of('2'), digest_of('3'), digest_of('4')});
    const std::string toc = digest_of('e').text();
    const registry::Document manifest = manifest_of(
        config, layer_json('a', kGzip, toc) + "," + layer_json('b', kZstd, toc) + "," +
                    layer_json('c', kGzip, "sha256:x") + "," + layer_json('d', kDocker, toc));
    const Image image = read_image(manifest, as_bytes(config)).value();
    EXPECT_EQ(image.layers[0].toc, digest_of('e'));
    EXPECT_EQ(image.layers[0].size_bytes, 7u);
    EXPECT_FALSE(image.layers[1].toc.has_value());
    EXPECT_NE(image.layers[1].not_lazy.find("zstd"), std::string::npos);
    EXPECT_FALSE(image.layers[2].toc.has_value());
    EXPECT_TRUE(image.layers[3].toc.has_value());
}

TEST(Image, finds_a_layer_by_blob_and_place_in_the_chain) {
    const std::vector<codec::Digest> diff_ids{digest_of('1'), digest_of('2'), digest_of('1')};
    const std::vector<codec::Digest> chain = codec::chain_ids(diff_ids);
    const std::string config = config_of(diff_ids);
    const std::string toc = digest_of('e').text();
    const Image image = read_image(manifest_of(config, layer_json('a', kGzip, toc) + "," +
                                                           layer_json('b', kGzip, toc) + "," +
                                                           layer_json('a', kGzip, toc)),
                                   as_bytes(config))
                            .value();
    EXPECT_EQ(image.find(digest_of('a'), chain[0]), 0u);
    EXPECT_EQ(image.find(digest_of('a'), chain[2]), 2u) << "one blob twice in one image";
    EXPECT_EQ(image.find(digest_of('a'), chain[1]).error().code, std::errc::invalid_argument);
    EXPECT_EQ(image.find(digest_of('c'), chain[0]).error().code,
              std::errc::no_such_file_or_directory);
}

TEST(Image, must_have_a_diff_id_for_each_layer) {
    const std::string config = config_of({digest_of('1')});
    const std::string layers = layer_json('a', kGzip, "") + "," + layer_json('b', kGzip, "");
    EXPECT_EQ(read_image(manifest_of(config, layers), as_bytes(config)).error().code,
              std::errc::bad_message);
}

class Documents final : public ImageDocuments {
  public:
    std::map<std::string, registry::Document> manifests;
    std::string config;
    int asked = 0;

    io::Task<Result<registry::Document>> manifest(registry::Repository repository,
                                                  std::string tag_or_digest,
                                                  io::Wait wait) override {
        static_cast<void>(repository);
        static_cast<void>(wait);
        ++asked;
        const auto found = manifests.find(tag_or_digest);
        if (found == manifests.end()) {
            co_return fail(Error{std::errc::no_such_file_or_directory, "no such manifest"});
        }
        co_return found->second;
    }
    io::Task<Result<Bytes>> blob(registry::Repository repository, codec::Digest digest,
                                 std::uint64_t size_bytes, io::Wait wait) override {
        static_cast<void>(repository);
        static_cast<void>(digest);
        static_cast<void>(size_bytes);
        static_cast<void>(wait);
        co_return bytes_of(config);
    }
};

class ImageLayersTest : public ::testing::Test {
  protected:
    ImageLayersTest() {
        documents_.config = config_of({digest_of('1')});
        const registry::Document manifest =
            manifest_of(documents_.config, layer_json('a', kGzip, digest_of('e').text()));
        manifests()[manifest.digest.text()] = manifest;
        manifest_digest_ = manifest.digest;
    }
    std::map<std::string, registry::Document>& manifests() { return documents_.manifests; }

    Result<std::shared_ptr<const Image>> get(const std::string& reference) {
        const registry::Repository repository{"registry.test", "app"};
        return reactor_->block_on(images_.get(repository, reference, io::Wait{}));
    }

    Documents documents_;
    codec::Digest manifest_digest_;
    std::unique_ptr<io::Reactor> reactor_ = io::Reactor::create().value();
    ImageLayers images_{documents_, *reactor_, std::chrono::seconds{30}};
};

TEST_F(ImageLayersTest, are_fetched_once) {
    ASSERT_TRUE(get(manifest_digest_.text()).has_value());
    ASSERT_TRUE(get(manifest_digest_.text()).has_value());
    EXPECT_EQ(documents_.asked, 1);
}

TEST_F(ImageLayersTest, failures_are_not_kept) {
    EXPECT_EQ(get("latest").error().code, std::errc::no_such_file_or_directory);
    manifests()["latest"] = manifests()[manifest_digest_.text()];
    EXPECT_TRUE(get("latest").has_value());
}

TEST_F(ImageLayersTest, of_an_index_are_those_of_this_platform) {
    const codec::Platform host = codec::host_platform();
    const auto index_for = [this](const std::string& architecture) {
        const std::string text =
            R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)"
            R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
            manifest_digest_.text() + R"(","size":5,"platform":{"os":"linux","architecture":")" +
            architecture + "\"}}]}";
        return registry::Document{
            .media_type = "", .digest = codec::sha256(as_bytes(text)), .bytes = bytes_of(text)};
    };
    manifests()["multi"] = index_for(host.architecture);
    ASSERT_TRUE(get("multi").has_value());
    manifests()["foreign"] = index_for("s390x");
    EXPECT_EQ(get("foreign").error().code, std::errc::not_supported);
}

TEST_F(ImageLayersTest, refuse_a_config_with_another_digest) {
    documents_.config += " ";
    EXPECT_EQ(get(manifest_digest_.text()).error().code, std::errc::bad_message);
}

}  // namespace
}  // namespace lazybuild::service
