// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/base_layers.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>
#include <thread>

#include "builder/image/open_image.h"
#include "codec/media_type.h"
#include "fuse/mounts.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/layer/layer_fixture.h"
#include "tests/unit/layers/store_fixture.h"

namespace lazybuild::layers {
namespace {

using cli::TestBlob;

constexpr std::string_view kToc = "containerd.io/snapshot/stargz/toc.digest";

class BaseLayersTest : public test::MountingStoreTest {
  protected:
    struct ImageLayer {
        std::string descriptor;  ///< JSON
        codec::Digest diff_id;
    };
    ImageLayer plain(const std::string& script, bool compressed = true) {
        const cli::TestLayer layer = layout_.add_layer(script, compressed);
        return {layer.blob.json(layer.media_type), layer.diff_id};
    }
    ImageLayer lazy(const layer::TestLayer& layer, std::optional<codec::Digest> toc = {}) {
        const TestBlob blob = layout_.add(as_text(layer.blob));
        const std::string more = fmt::format(R"(,"annotations":{{"{}":"{}"}})", kToc,
                                             toc.value_or(layer.info.toc).text());
        return {blob.json(codec::media_type::kOciLayerGzip, more), layer.info.diff_id};
    }
    void set_image(const std::vector<ImageLayer>& layers) {
        std::string descriptors;
        std::string diff_ids;
        for (const ImageLayer& layer : layers) {
            const char* const comma = diff_ids.empty() ? "" : ",";
            descriptors += comma + layer.descriptor;
            diff_ids += fmt::format("{}\"{}\"", comma, layer.diff_id.text());
        }
        const TestBlob config =
            layout_.add(fmt::format(R"({{"architecture":"amd64","os":"linux",)"
                                    R"("rootfs":{{"type":"layers","diff_ids":[{}]}}}})",
                                    diff_ids));
        TestBlob image = layout_.add(
            fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}})",
                        codec::media_type::kOciManifest, config.json(codec::media_type::kOciConfig),
                        descriptors));
        image.media_type = codec::media_type::kOciManifest;
        layout_.write_index({{image.entry(), "image"}});
    }

    /// On a thread beside the reactor's.
    Result<Snapshot> open_image() {
        TRY(const image::ImagePlace place, image::ImagePlace::parse(layout_.place("image")));
        TRY(std::shared_ptr<image::ImageSource> source, image::open_source(place, *session_));
        image::Session& session = *session_;
        TRY(image::ImageDocument root, session.wait_for(image::read_root(*source, session.wait())));
        TRY(const image::ImageDocument manifest,
            session.wait_for(image::choose_manifest(*source, std::move(root),
                                                    codec::host_platform(), session.wait())));
        TRY(const image::ConfigDocument config,
            session.wait_for(
                image::read_config(session, *source, *manifest.manifest, session.wait())));
        {
            const std::lock_guard lock(ids_mutex_);
            ids_ = image_layer_ids(*manifest.manifest);
        }
        return store_->open_image(source, manifest, config);
    }
    void blocking(const std::function<void()>& body) { session_->run_blocking(body); }
    std::string read(const Snapshot& snapshot, std::string_view path) {
        const auto view = store_->view(snapshot);
        auto bytes = view->open(path);
        EXPECT_TRUE(bytes) << bytes.error().message;
        return bytes ? test::read_all(**bytes, 100'000) : "";
    }
    std::string mounted(const Snapshot& snapshot) {
        std::string target = *store_->build_directory() + "/target";
        EXPECT_TRUE(make_directories(target));
        const auto done = store_->mount(snapshot, {.target = target, .upper = {}, .work = {}});
        EXPECT_TRUE(done) << done.error().message;
        return target;
    }

    lazybuild::test::TempDir directory_of_layout_;
    cli::TestLayout layout_{directory_of_layout_};
    std::mutex ids_mutex_;  // images are also opened by several threads
    std::vector<codec::Digest> ids_;
};

TEST_F(BaseLayersTest, unpacks_plain_layers_once) {
    set_image({plain("mkdir -p etc && echo one > etc/a && chmod 600 etc/a"),
               plain("mkdir -p etc && echo two > etc/b && ln -s a etc/c && touch etc/.wh.a"),
               plain("echo three > d", false)});
    blocking([this] {
        const auto snapshot = open_image();
        ASSERT_OK(snapshot);
        ASSERT_EQ(snapshot->layers.size(), 3U);
        for (std::size_t i = 0; i < 3; ++i) {
            EXPECT_EQ(snapshot->layers[i]->id(), ids_[i]);
            EXPECT_FALSE(snapshot->layers[i]->contents_are_claims());
            EXPECT_GT(snapshot->layers[i]->fetched_bytes(), 0U);
        }
        EXPECT_EQ(read(*snapshot, "etc/b"), "two\n");
        EXPECT_EQ(read(*snapshot, "d"), "three\n");
        EXPECT_FALSE(*store_->view(*snapshot)->look("etc/a"));
        const auto blobs = store_->blobs(ids_[0]);
        ASSERT_EQ(blobs->size(), 1U);
        EXPECT_TRUE(blobs->front().from_base);
        EXPECT_EQ(blobs->front().compression, Compression::gzip);
        EXPECT_EQ(store_->origins(blobs->front().descriptor.digest)->at(0).path, layout_.path());
    });
    EXPECT_EQ(console_.notes, "");
    reopen();
    blocking([this] {
        // What the layers are is asked of the place, their bytes are not.
        directory_of_layout_.run(
            "find in/blobs/sha256 -type f -print0 | xargs -0 grep -L "
            "architecture | xargs -r grep -L schemaVersion | xargs -r rm");
        const auto snapshot = open_image();
        ASSERT_OK(snapshot);
        EXPECT_EQ(read(*snapshot, "etc/b"), "two\n");
        EXPECT_EQ(snapshot->layers[0]->fetched_bytes(), 0U);
        EXPECT_GT(snapshot->layers[0]->blob_bytes(), 0U);
    });
}

TEST_F(BaseLayersTest, unpacks_a_layer_that_an_image_has_twice_once) {
    const ImageLayer layer = plain("echo one > a");
    set_image({layer, plain("rm -f a && touch .wh.a"), layer});
    blocking([this] {
        const auto snapshot = open_image();
        ASSERT_OK(snapshot);
        EXPECT_EQ(snapshot->layers[0], snapshot->layers[2]);
        EXPECT_EQ(read(*snapshot, "a"), "one\n");
    });
}

TEST_F(BaseLayersTest, refuses_layers_that_are_not_what_the_config_claims) {
    ImageLayer layer = plain("echo one > a");
    set_image({layer});
    blocking([this] { ASSERT_OK(open_image()); });
    reopen();
    layer.diff_id = codec::sha256(as_bytes("something else"));
    set_image({layer});
    blocking([this] {
        const auto known = open_image();
        ASSERT_FALSE(known);
        EXPECT_NE(known.error().message.find("diffID"), std::string::npos) << known.error().message;
    });
    ImageLayer other = plain("echo two > a");
    other.diff_id = layer.diff_id;
    set_image({other});
    blocking([this] {
        const auto fresh = open_image();
        ASSERT_FALSE(fresh);
        EXPECT_NE(fresh.error().message.find("diffID"), std::string::npos) << fresh.error().message;
    });
    EXPECT_EQ(store_->usage()->layers.size(), 1U);
}

TEST_F(BaseLayersTest, opens_images_with_common_layers_at_once) {
    set_image({plain("seq 100000 > a"), plain("seq 100001 > b")});
    blocking([this] {
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([this] {
                const auto snapshot = open_image();
                ASSERT_OK(snapshot);
                EXPECT_EQ(read(*snapshot, "b").size(), 588'902U);
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
    });
    EXPECT_EQ(store_->usage()->layers.size(), 2U);
}

TEST_F(BaseLayersTest, serves_layers_with_an_index_lazily) {
    if (!root_) {
        GTEST_SKIP() << "needs root and /dev/fuse, to mount";
    }
    const layer::TestLayer data = layer::usual_layer();
    set_image({lazy(data), plain("mkdir d && echo over > d/small100")});
    blocking([&] {
        auto snapshot = open_image();
        ASSERT_OK(snapshot);
        const LayerPointer layer = snapshot->layers[0];
        EXPECT_EQ(layer->id(), ids_[0]);
        EXPECT_TRUE(layer->contents_are_claims());
        EXPECT_EQ(layer->fetched_bytes(), 0U);
        const auto view = store_->view(*snapshot);
        EXPECT_EQ(view->digest("d/large")->digest, codec::sha256(data.files.at("large")));
        EXPECT_FALSE(view->digest("d/large")->verified);
        EXPECT_TRUE(view->digest("d/small101")->verified);
        EXPECT_EQ(layer->fetched_bytes(), 0U);
        EXPECT_EQ(read(*snapshot, "d/small100"), "over\n");
        EXPECT_EQ(layer->fetched_bytes(), 0U);
        EXPECT_TRUE(read(*snapshot, "d/small101") == as_text(data.files.at("small101")));
        const std::uint64_t fetched = layer->fetched_bytes();
        EXPECT_GT(fetched, 0U);
        EXPECT_LT(fetched, data.blob.size() / 2);
        EXPECT_EQ(open_image()->layers[0], layer);

        const std::string target = mounted(*snapshot);
        EXPECT_EQ(read_file(target + "/d/small100", 100).value_or(""), "over\n");
        EXPECT_TRUE(read_file(target + "/d/large", 10 << 20).value_or("") ==
                    as_text(data.files.at("large")));
        EXPECT_EQ(layer->failed_reads(), 0U);
        EXPECT_GT(layer->fetched_bytes(), fetched);
        EXPECT_TRUE(store_->usage()->lazy.at(0).in_use);
        EXPECT_EQ(store_->remove_lazy(0).error().code, std::errc::device_or_resource_busy);

        // Mounted, and used: the store goes all the same.
        snapshot = Snapshot{};
        store_.reset();
        Bytes buffer(10);
        EXPECT_FALSE(layer->read_disk(0, buffer));
        EXPECT_TRUE(fuse::mounts_under(directory_.path())->empty());
    });
    EXPECT_EQ(console_.notes, "");
}

TEST_F(BaseLayersTest, finds_what_was_fetched_in_another_build) {
    if (!root_) {
        GTEST_SKIP() << "needs root and /dev/fuse, to mount";
    }
    const layer::TestLayer data = layer::usual_layer();
    set_image({lazy(data)});
    blocking([&] {
        const auto snapshot = open_image();
        ASSERT_OK(snapshot);
        EXPECT_TRUE(read(*snapshot, "d/small101") == as_text(data.files.at("small101")));
        store_.reset();
    });
    reopen();
    directory_of_layout_.run("find in/blobs/sha256 -size +100k -delete");
    blocking([&] {
        const auto snapshot = open_image();
        ASSERT_OK(snapshot);
        EXPECT_TRUE(read(*snapshot, "d/small101") == as_text(data.files.at("small101")));
        EXPECT_EQ(snapshot->layers[0]->fetched_bytes(), 0U);
        store_.reset();
    });
}

TEST_F(BaseLayersTest, unpacks_layers_whose_index_is_no_good_and_says_so) {
    if (!root_) {
        GTEST_SKIP() << "needs root and /dev/fuse, to mount";
    }
    const layer::TestLayer data = layer::usual_layer();
    set_image({lazy(data, codec::sha256(as_bytes("another table")))});
    blocking([&] {
        const auto snapshot = open_image();
        ASSERT_OK(snapshot);
        EXPECT_EQ(snapshot->layers[0]->id(), ids_[0]);
        EXPECT_FALSE(snapshot->layers[0]->contents_are_claims());
        EXPECT_TRUE(read(*snapshot, "d/large") == as_text(data.files.at("large")));
        store_.reset();
    });
    EXPECT_TRUE(console_.noted("is fetched in full")) << console_.notes;
}

TEST_F(BaseLayersTest, gives_builds_that_run_at_once_caches_of_their_own) {
    if (!root_) {
        GTEST_SKIP() << "needs root and /dev/fuse, to mount";
    }
    set_image({lazy(layer::usual_layer())});
    blocking([this] {
        ASSERT_OK(open_image());
        auto first = std::move(store_);
        store_ = open_another();
        ASSERT_OK(open_image());
        EXPECT_EQ(store_->usage()->lazy.size(), 2U);
        EXPECT_EQ(store_->remove_lazy(0).error().code, std::errc::device_or_resource_busy);
        first.reset();
        store_.reset();
    });
    reopen();
    EXPECT_FALSE(store_->usage()->lazy.at(0).in_use);
    EXPECT_GT(store_->usage()->lazy.at(0).size_bytes, 0U);
    ASSERT_OK(store_->remove_lazy(0));
    EXPECT_EQ(store_->usage()->lazy.at(0).slot, 1U);
}

TEST_F(BaseLayersTest, takes_layers_from_wherever_they_are_known_to_be) {
    const layer::TestLayer data = layer::usual_layer();
    const ImageLayer unpacked = plain("echo one > a");
    set_image({lazy(data), unpacked});
    directory_of_layout_.run("cp -r in other && find in/blobs/sha256 -size +100k -delete");
    blocking([&] { EXPECT_FALSE(open_image()); });
    reopen();
    blocking([&] {
        const store::Origin other{.kind = store::Origin::Kind::oci_layout,
                                  .host = {},
                                  .path = directory_of_layout_ / "other"};
        ASSERT_OK(store_->add_origin(data.info.blob, other));
        const auto snapshot = open_image();
        ASSERT_OK(snapshot);
        EXPECT_EQ(snapshot->layers[0]->contents_are_claims(), root_);
        EXPECT_TRUE(read(*snapshot, "d/large") == as_text(data.files.at("large")));
        store_.reset();
    });
    EXPECT_EQ(console_.notes, "");
}

TEST_F(BaseLayersTest, forget_the_lazy_layers_that_no_build_has_opened_for_longest) {
    if (!root_) {
        GTEST_SKIP() << "needs root and /dev/fuse, to mount";
    }
    set_image({lazy(layer::usual_layer())});
    blocking([this] {
        ASSERT_OK(open_image());
        store_.reset();
    });
    session_.reset();
    std::size_t count = 0;
    {
        auto slot = store::Store::open(root() + "/lazy/0");
        ASSERT_OK(slot);
        for (int i = 0; i < 260; ++i) {
            const auto staged = (*slot)->stage_layer();
            ASSERT_OK(staged);
            const codec::Digest blob = codec::sha256(as_bytes(std::to_string(i)));
            const auto record = (*slot)->insert_layer({.blob = blob, .toc = blob}, *staged);
            ASSERT_OK(record);
            const timespec long_ago[2] = {{.tv_sec = i}, {.tv_sec = i}};
            ASSERT_EQ(
                ::utimensat(AT_FDCWD, (*slot)->layer_directory(record->id).c_str(), long_ago, 0),
                0);
        }
        count = (*slot)->layers()->size();
    }
    EXPECT_EQ(count, 261U);
    open();
    blocking([this] {
        ASSERT_OK(open_image());
        store_.reset();
    });
    session_.reset();
    auto slot = store::Store::open(root() + "/lazy/0");
    ASSERT_OK(slot);
    const auto layers = (*slot)->layers();
    EXPECT_EQ(layers->size(), 250U);
    EXPECT_EQ(layers->at(0).id, store::LayerId{1});  // the one in use
    EXPECT_EQ(layers->at(1).blob, codec::sha256(as_bytes("11")));
}

}  // namespace
}  // namespace lazybuild::layers
