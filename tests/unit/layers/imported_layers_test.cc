// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/imported_layers.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "builder/image/open_image.h"
#include "codec/gzip_member.h"
#include "codec/layer_format.h"
#include "codec/media_type.h"
#include "codec/tree_digest.h"
#include "codec/tree_tar.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/layer/layer_fixture.h"
#include "tests/unit/layers/store_fixture.h"

namespace lazybuild::layers {
namespace {

using cli::TestLayout;

constexpr std::size_t kLargeBytes = 2'500'000;

/// A layer that a store made, as everybody unpacks it.
struct Made {
    codec::Digest id;
    Bytes tar;
};

class ImportedLayersTest : public test::MountingStoreTest {
  protected:
    /// What a step has made in another store. This one's is empty afterwards.
    Made make(std::string_view content = "content") {
        test::Making making{*store_};
        making.directory("d").file("d/f", content).file("d/large", as_text(large_));
        making.add({.path = "d/.wh.gone"}).hardlink("again", "d/large");
        const LayerPointer layer = making.finish();
        const auto tree = layer->tree();
        EXPECT_TRUE(tree);
        MemorySink tar;
        EXPECT_TRUE(codec::write_tree_tar(
            **tree,
            [&layer](std::uint64_t offset, MutableByteView out) {
                return layer->read_disk(offset, out);
            },
            {}, tar));
        return {.id = layer->id(), .tar = std::move(tar).take()};
    }
    void forget_everything() {
        store_.reset();
        EXPECT_TRUE(remove_tree(root()));
        open();
    }

    static ImportedLayer estargz(const Made& made, const TestLayout& layout,
                                 codec::LayerOptions options = {}) {
        const codec::LayerWriter& writer = *codec::find_layer_format("estargz")->writer;
        CallerWorkers workers;
        codec::ByteBudget budget{64 << 20};
        MemorySink blob;
        const auto written = writer.write(MemoryAccess{made.tar}, options, workers, budget, blob);
        EXPECT_TRUE(written);
        layout.add(as_text(blob.bytes()));
        return {.id = made.id,
                .blob = {.descriptor = writer.describe({}, *written),
                         .diff_id = written->diff_id,
                         .compression = Compression::estargz}};
    }
    static ImportedLayer gzip(const Made& made, const TestLayout& layout) {
        Bytes bytes;
        codec::MemberCompressor{5}.append(made.tar, bytes);
        const cli::TestBlob blob = layout.add(as_text(bytes));
        LayerBlob gzip{.diff_id = codec::sha256(made.tar), .compression = Compression::gzip};
        gzip.descriptor.media_type = codec::media_type::kOciLayerGzip;
        gzip.descriptor.digest = blob.digest;
        gzip.descriptor.size_bytes = blob.size_bytes;
        return {.id = made.id, .blob = gzip};
    }
    void import(const TestLayout& layout, const ImportedLayer& layer) {
        const auto place = image::ImagePlace::parse(layout.place("cache"));
        ASSERT_OK(place);
        auto source = image::open_source(*place, *session_);
        ASSERT_OK(source);
        ASSERT_OK(store_->import_layers(*std::move(source), {layer}));
    }
    static void remove(const TestLayout& layout, const ImportedLayer& layer) {
        EXPECT_TRUE(std::filesystem::remove(layout.blob_path(layer.blob.descriptor.digest)));
    }

    /// On a thread beside the reactor's.
    LayerPointer find_there(const codec::Digest& id) {
        return session_->run_blocking([&] { return find(id); });
    }
    std::string read(const LayerPointer& layer, std::string_view path) {
        return session_->run_blocking([&] {
            const auto view = store_->view({.layers = {layer}});
            auto bytes = view->open(path);
            EXPECT_TRUE(bytes) << bytes.error().message;
            return bytes ? test::read_all(**bytes, 1 << 20) : "";
        });
    }
    void expect_is(const Made& made, const LayerPointer& layer) {
        ASSERT_NE(layer, nullptr) << console_.notes;
        EXPECT_EQ(layer->id(), made.id);
        EXPECT_EQ(codec::tree_digest(**layer->tree()), made.id);
        EXPECT_TRUE(read(layer, "again") == as_text(large_));
    }
    /// Once, and not again.
    void expect_none(const ImportedLayer& layer, std::string_view why) {
        EXPECT_EQ(find_there(layer.id), nullptr);
        const std::string notes = console_.notes;
        EXPECT_NE(notes.find(why), std::string::npos) << notes;
        EXPECT_NE(notes.find(layer.blob.descriptor.digest.text()), std::string::npos) << notes;
        EXPECT_NE(notes.find("in:cache"), std::string::npos) << notes;
        EXPECT_EQ(find_there(layer.id), nullptr);
        EXPECT_EQ(console_.notes, notes);
        EXPECT_TRUE(store_->blobs(layer.id)->empty());
        EXPECT_TRUE(store_->usage()->layers.empty());
    }

    lazybuild::test::TempDir directory_of_layout_;
    TestLayout layout_{directory_of_layout_};
    TestLayout other_{directory_of_layout_, "other"};
    const Bytes large_ = layer::content_of(kLargeBytes, 1);
};

TEST_F(ImportedLayersTest, opens_a_layer_by_its_index_and_reads_what_is_asked_for) {
    if (!root_) {
        GTEST_SKIP() << "needs root and /dev/fuse, to mount";
    }
    const Made made = make();
    forget_everything();
    const ImportedLayer layer = estargz(made, layout_);
    EXPECT_EQ(find_there(made.id), nullptr);
    import(layout_, layer);
    const auto blobs = store_->blobs(made.id);
    ASSERT_EQ(blobs->size(), 1U);
    EXPECT_TRUE(blobs->front().imported);
    EXPECT_EQ(blobs->front().descriptor.digest, layer.blob.descriptor.digest);
    {
        const LayerPointer found = find_there(made.id);
        ASSERT_NE(found, nullptr) << console_.notes;
        EXPECT_TRUE(found->contents_are_claims());
        EXPECT_EQ(found->fetched_bytes(), 0U);
        EXPECT_EQ(read(found, "d/f"), "content");
        EXPECT_GT(found->fetched_bytes(), 0U);
        EXPECT_LT(found->fetched_bytes(), kLargeBytes / 2);
        EXPECT_EQ(find_there(made.id), found);
        expect_is(made, found);
    }
    expect_is(made, find_there(made.id));  // opened again
    EXPECT_EQ(console_.notes, "");
    EXPECT_TRUE(store_->usage()->layers.empty());
    // What the cache said is not remembered; where the blob is, is.
    store_.reset();
    session_.reset();
    open();
    EXPECT_EQ(find_there(made.id), nullptr);
    EXPECT_TRUE(store_->blobs(made.id)->empty());
    EXPECT_EQ(store_->origins(layer.blob.descriptor.digest)->at(0).path, layout_.path());
}

TEST_F(ImportedLayersTest, keeps_a_layer_that_it_had_to_read_as_if_it_had_been_made_here) {
    const Made made = make();
    forget_everything();
    import(layout_, gzip(made, layout_));
    const LayerPointer found = find_there(made.id);
    expect_is(made, found);
    EXPECT_FALSE(found->contents_are_claims());
    EXPECT_GT(found->fetched_bytes(), 0U);
    reopen();
    expect_is(made, find_there(made.id));
    EXPECT_EQ(console_.notes, "");
}

TEST_F(ImportedLayersTest, prefers_what_is_here) {
    const Made made = make();
    const ImportedLayer layer = gzip(made, layout_);
    import(layout_, layer);
    remove(layout_, layer);
    const LayerPointer found = find_there(made.id);
    expect_is(made, found);
    EXPECT_EQ(found->fetched_bytes(), 0U);
}

TEST_F(ImportedLayersTest, does_not_take_a_layer_for_another) {
    const Made other = make("something else");
    const Made made = make();
    forget_everything();
    ImportedLayer wrong = gzip(other, layout_);
    wrong.id = made.id;
    import(layout_, wrong);
    expect_none(wrong, "holds the layer " + other.id.text());
}

TEST_F(ImportedLayersTest, does_not_take_the_index_of_a_layer_for_that_of_another) {
    if (!root_) {
        GTEST_SKIP() << "needs root and /dev/fuse, to mount";
    }
    const Made other = make("something else");
    const Made made = make();
    forget_everything();
    ImportedLayer wrong = estargz(other, layout_);
    wrong.id = made.id;
    import(layout_, wrong);
    expect_none(wrong, "holds the layer " + other.id.text());
}

TEST_F(ImportedLayersTest, says_once_that_a_blob_is_missing) {
    const Made made = make();
    forget_everything();
    for (const bool indexed : {false, true}) {
        const ImportedLayer layer = indexed ? estargz(made, layout_) : gzip(made, layout_);
        import(layout_, layer);
        remove(layout_, layer);
        expect_none(layer, "No such file");
        console_.notes.clear();
    }
}

TEST_F(ImportedLayersTest, refuses_a_layer_whose_diff_id_is_another_than_the_cache_says) {
    const Made made = make();
    forget_everything();
    ImportedLayer layer = gzip(made, layout_);
    layer.blob.diff_id = codec::sha256(as_bytes("another"));
    import(layout_, layer);
    expect_none(layer, "diffID");
}

TEST_F(ImportedLayersTest, reads_all_of_a_blob_whose_index_cannot_tell) {
    const Made made = make();
    forget_everything();
    import(layout_, estargz(made, layout_, {.chunk_size_bytes = 4 << 20}));
    const LayerPointer found = find_there(made.id);
    expect_is(made, found);
    EXPECT_FALSE(found->contents_are_claims());
    EXPECT_EQ(console_.notes, "");
}

TEST_F(ImportedLayersTest, goes_on_with_the_next_blob_when_one_is_no_good) {
    const Made other = make("something else");
    const Made made = make();
    forget_everything();
    ImportedLayer wrong = gzip(other, layout_);
    wrong.id = made.id;
    import(layout_, wrong);
    import(other_, estargz(made, other_));
    EXPECT_EQ(store_->blobs(made.id)->size(), 2U);
    expect_is(made, find_there(made.id));
    EXPECT_TRUE(console_.noted("holds the layer " + other.id.text())) << console_.notes;
    EXPECT_EQ(store_->blobs(made.id)->size(), 1U);
}

TEST_F(ImportedLayersTest, takes_a_blob_from_wherever_it_is_known_to_be) {
    const Made made = make();
    for (const bool indexed : {false, true}) {
        forget_everything();
        const ImportedLayer layer = indexed ? estargz(made, layout_) : gzip(made, layout_);
        import(layout_, layer);
        remove(layout_, layer);
        import(other_, indexed ? estargz(made, other_) : gzip(made, other_));
        expect_is(made, find_there(made.id));
        EXPECT_EQ(console_.notes, "");
    }
}

TEST_F(ImportedLayersTest, opens_a_layer_once_for_all_who_want_it_at_once) {
    const Made made = make();
    forget_everything();
    import(layout_, gzip(made, layout_));
    session_->run_blocking([&] {
        std::vector<LayerPointer> found(4);
        std::vector<std::thread> threads;
        for (LayerPointer& layer : found) {
            threads.emplace_back([&] { layer = find(made.id); });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        for (const LayerPointer& layer : found) {
            EXPECT_NE(layer, nullptr);
            EXPECT_EQ(layer, found[0]);
        }
    });
}

}  // namespace
}  // namespace lazybuild::layers
