// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_verify.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "builder/cli/cmd_convert.h"
#include "builder/cli/cmd_copy.h"
#include "codec/estargz_footer.h"
#include "codec/estargz_toc.h"
#include "codec/gzip.h"
#include "codec/tar.h"
#include "tests/support/docker_registry.h"
#include "tests/support/image_fixture.h"

namespace lazybuild::cli {
namespace {

struct Outcome {
    ExitCode code = ExitCode::done;
    std::string text;

    bool says(std::string_view words) const { return text.find(words) != std::string::npos; }
    std::size_t bad_lines() const {
        std::size_t count = 0;
        for (std::size_t at = text.find("BAD: "); at != text.npos;
             at = text.find("BAD: ", at + 1)) {
            ++count;
        }
        return count;
    }
};

/// A layer and what an image says about it.
struct Stated {
    std::string blob;
    codec::Digest diff_id;
    codec::Digest toc;
    std::uint64_t size_bytes = 0;  // 0: the blob's own
};

class VerifyTest : public testing::Test {
  protected:
    VerifyTest() : in_(directory_), out_(directory_, "out") {
        const TestLayer layer = in_.add_layer(
            "mkdir dir; seq 100000 > large; echo hello > dir/small; : > empty; seq 9000 > last");
        const TestLayer above = in_.add_layer("echo above > file", false);
        const TestBlob image = in_.add_image({layer, above}, codec::host_platform().architecture);
        in_.write_index({{image.entry(), "gz"}});
        const ExitCode converted = run(
            ConvertArgs{.source = in_.place("gz"), .target = lazy(), .chunk_size_bytes = 64 << 10},
            console_);
        EXPECT_EQ(converted, ExitCode::done) << console_.notes;
        good_ = stated_layer();
    }

    std::string lazy() const { return "oci:" + (directory_ / "lazy") + ":l"; }

    static Outcome verify(const VerifyArgs& args) {
        RecordingConsole console;
        Outcome outcome;
        outcome.code = run(args, console);
        outcome.text = console.data;
        EXPECT_EQ(outcome.code == ExitCode::done, outcome.bad_lines() == 0) << console.notes;
        EXPECT_EQ(outcome.code == ExitCode::done, !console.noted("not hold")) << console.notes;
        return outcome;
    }
    static Outcome verify(const std::string& image) { return verify(VerifyArgs{.image = image}); }

    /// The lower layer as convert made it.
    Stated stated_layer() {
        const auto manifest = manifest_in(directory_ / "lazy", "l");
        const codec::Descriptor& layer = manifest->layers[0];
        Stated stated;
        stated.blob = TestLayout::read(directory_ / "lazy/blobs/sha256/" + layer.digest.hex());
        stated.toc =
            codec::Digest::parse(layer.annotations.at("containerd.io/snapshot/stargz/toc.digest"))
                .value();
        stated.diff_id = tar_digest(stated.blob);
        return stated;
    }
    static codec::Digest tar_digest(const std::string& blob) {
        MemorySource compressed{as_bytes(blob)};
        codec::GzipSource tar{compressed};
        codec::Sha256 digest;
        Bytes piece(1 << 16);
        while (const std::size_t count = tar.read(piece).value()) {
            digest.update(ByteView{piece}.first(count));
        }
        return digest.finish();
    }

    /// An image of that one layer, in a layout of its own.
    Outcome verify_image_of(const Stated& layer) {
        const TestBlob blob = out_.add(layer.blob);
        const TestBlob config =
            out_.add(fmt::format(R"({{"architecture":"{}","os":"linux",)"
                                 R"("rootfs":{{"type":"layers","diff_ids":["{}"]}}}})",
                                 codec::host_platform().architecture, layer.diff_id.text()));
        TestBlob described = blob;
        described.size_bytes = layer.size_bytes == 0 ? blob.size_bytes : layer.size_bytes;
        const std::string annotations =
            fmt::format(R"(,"annotations":{{"containerd.io/snapshot/stargz/toc.digest":"{}"}})",
                        layer.toc.text());
        TestBlob image = out_.add(
            fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}})",
                        codec::media_type::kOciManifest, config.json(codec::media_type::kOciConfig),
                        described.json(codec::media_type::kOciLayerGzip, annotations)));
        image.media_type = codec::media_type::kOciManifest;
        out_.write_index({{image.entry(), "x"}});
        return verify(out_.place("x"));
    }

    /// The layer with another TOC, and everything above it as it then has to be.
    Stated with_toc(const std::function<void(nlohmann::ordered_json& entries)>& edit) {
        const ByteView blob = as_bytes(good_.blob);
        const auto footer =
            codec::find_estargz_footer(blob.last(codec::kEstargzFooterBytesMax)).value().value();
        const std::uint64_t toc_offset = footer.toc_offset_bytes;
        codec::TocText text_of_toc{
            blob.subspan(toc_offset, blob.size() - toc_offset - footer.footer_size_bytes)};
        Bytes json(1 << 20);
        json.resize(read_full(text_of_toc, json).value());
        auto toc = nlohmann::ordered_json::parse(to_text(json));
        edit(toc["entries"]);
        const std::string text = toc.dump();

        MemorySink members;
        codec::GzipWriter writer{members, 1};
        codec::TarEntry entry;
        entry.entry.path = std::string{codec::kTocName};
        entry.entry.mode = 0444;
        entry.entry.size_bytes = text.size();
        EXPECT_TRUE(writer.start_member());
        EXPECT_TRUE(writer.write(codec::tar_header(entry)));
        EXPECT_TRUE(writer.write(as_bytes(text)));
        EXPECT_TRUE(writer.write(codec::tar_padding(text.size())));
        EXPECT_TRUE(writer.write(codec::tar_end()));
        EXPECT_TRUE(writer.end_member());
        Stated changed;
        changed.blob = good_.blob.substr(0, toc_offset) + to_text(members.bytes()) +
                       to_text(codec::estargz_footer(toc_offset));
        changed.toc = codec::sha256(as_bytes(text));
        changed.diff_id = tar_digest(changed.blob);
        return changed;
    }
    static std::string to_text(ByteView bytes) {
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    static nlohmann::ordered_json& entry_of(nlohmann::ordered_json& entries, std::string_view name,
                                            std::size_t chunk = 0) {
        for (auto& entry : entries) {
            if (entry["name"] == "./" + std::string{name} && chunk-- == 0) {
                return entry;
            }
        }
        ADD_FAILURE() << "no such entry: " << name;
        return entries[0];
    }

    test::TempDir directory_;
    TestLayout in_;
    TestLayout out_;
    RecordingConsole console_;
    Stated good_;
};

const std::string kOther = "sha256:" + std::string(64, '7');

TEST_F(VerifyTest, good_images_hold_wherever_they_are) {
    const Outcome lazy_layers = verify(lazy());
    EXPECT_EQ(lazy_layers.code, ExitCode::done);
    EXPECT_TRUE(lazy_layers.says("ok: blob, diffID, TOC, 5 files, ")) << lazy_layers.text;
    EXPECT_TRUE(verify(in_.place("gz")).says("ok: blob, diffID\n"));
    EXPECT_TRUE(verify_image_of(good_).says("layer 1/1"));
    directory_.run("tar -C lazy -cf lazy.tar .");
    EXPECT_EQ(verify("oci-archive:" + (directory_ / "lazy.tar")).text, lazy_layers.text);
}

TEST_F(VerifyTest, good_images_hold_in_a_registry) {
    LAZYBUILD_START_REGISTRY(registry);
    const std::string name = registry->host() + "/app:lazy";
    ASSERT_EQ(run(CopyArgs{.source = lazy(), .target = name}, console_), ExitCode::done);
    EXPECT_EQ(verify(name).text, verify(lazy()).text);
    RecordingConsole console;
    EXPECT_EQ(run(VerifyArgs{.image = registry->host() + "/nobody:1"}, console), ExitCode::failed);
    EXPECT_TRUE(console.data.empty());
}

TEST_F(VerifyTest, every_byte_of_every_member_counts) {
    // Wherever one lies: in headers, in compressed data, in checksums, in the TOC, in the footer.
    for (std::size_t at = 3; at < good_.blob.size(); at += good_.blob.size() / 23) {
        Stated changed = good_;
        changed.blob[at] = static_cast<char>(changed.blob[at] ^ 0x10);
        const TestBlob blob = in_.add(changed.blob);
        // Under its old name, as when a disk or a registry has gone bad.
        std::filesystem::rename(
            in_.blob_path(blob.digest),
            directory_ / "lazy/blobs/sha256/" + codec::sha256(as_bytes(good_.blob)).hex());
        const Outcome outcome = verify(lazy());
        EXPECT_EQ(outcome.code, ExitCode::failed) << "byte " << at;
        EXPECT_TRUE(outcome.says("its bytes are those of " + blob.digest.text())) << outcome.text;
        EXPECT_TRUE(outcome.says("layer 2/2")) << "the other layer is looked at all the same";
    }
}

TEST_F(VerifyTest, damaged_chunk_is_named_and_the_others_are_still_checked) {
    const std::size_t middle = good_.blob.size() / 2;  // of "large", by far
    Stated changed = good_;
    for (std::size_t at = middle; at < middle + 8; ++at) {
        changed.blob[at] = static_cast<char>(~changed.blob[at]);
    }
    const Outcome outcome = verify_image_of(changed);
    EXPECT_TRUE(outcome.says("the member at byte ")) << outcome.text;
    EXPECT_TRUE(outcome.says("large, bytes ")) << outcome.text;
    EXPECT_TRUE(outcome.says("diffID: not known")) << outcome.text;
    EXPECT_FALSE(outcome.says("last")) << "it lies behind, and is as it should be";
    EXPECT_EQ(outcome.bad_lines(), 3U) << outcome.text;
}

TEST_F(VerifyTest, wrong_chunk_digest_is_named) {
    const Outcome outcome = verify_image_of(with_toc([](nlohmann::ordered_json& entries) {
        entry_of(entries, "large", 2)["chunkDigest"] = kOther;
    }));
    EXPECT_TRUE(outcome.says("large, bytes 131072 to 196608: its bytes are those of "))
        << outcome.text;
    EXPECT_TRUE(outcome.says("the TOC says " + kOther));
    EXPECT_EQ(outcome.bad_lines(), 1U) << outcome.text;
}

TEST_F(VerifyTest, wrong_file_digests_are_named) {
    const Outcome outcome = verify_image_of(with_toc([](nlohmann::ordered_json& entries) {
        entry_of(entries, "large")["digest"] = kOther;
        entry_of(entries, "dir/small")["digest"] = kOther;
        entry_of(entries, "empty")["digest"] = kOther;
    }));
    EXPECT_TRUE(outcome.says("large: as a file its digest is ")) << outcome.text;
    EXPECT_TRUE(outcome.says("dir/small: as a file its digest is ")) << outcome.text;
    EXPECT_TRUE(outcome.says("empty: it is empty, and the TOC says ")) << outcome.text;
    EXPECT_TRUE(outcome.says("it cannot be served lazily: ")) << "the snapshotter refuses it too";
    EXPECT_EQ(outcome.bad_lines(), 4U) << outcome.text;
}

TEST_F(VerifyTest, chunk_that_is_not_where_the_toc_says_is_named) {
    const Outcome shifted = verify_image_of(with_toc([](nlohmann::ordered_json& entries) {
        auto& entry = entry_of(entries, "last");
        entry["innerOffset"] = 1;
    }));
    EXPECT_TRUE(shifted.says("last: its bytes are those of ")) << shifted.text;
    const Outcome nowhere = verify_image_of(with_toc([](nlohmann::ordered_json& entries) {
        auto& entry = entry_of(entries, "last");
        entry["offset"] = entry["offset"].get<int>() + 1;
    }));
    EXPECT_TRUE(nowhere.says("last: not in the member at byte ")) << nowhere.text;
    EXPECT_FALSE(nowhere.says("large")) << nowhere.text;
}

TEST_F(VerifyTest, toc_that_is_not_the_manifests_is_named) {
    Stated lie = good_;
    lie.toc = codec::Digest::parse(kOther).value();
    const Outcome outcome = verify_image_of(lie);
    EXPECT_TRUE(outcome.says("the table of contents has the digest " + good_.toc.text() +
                             ", the manifest says " + kOther))
        << outcome.text;
    EXPECT_EQ(outcome.bad_lines(), 1U) << outcome.text;

    const Outcome broken = verify_image_of(with_toc(
        [](nlohmann::ordered_json& entries) { entry_of(entries, "large", 1)["chunkOffset"] = 5; }));
    EXPECT_TRUE(broken.says("large\": its chunks leave a gap or overlap")) << broken.text;
}

TEST_F(VerifyTest, wrong_diff_id_is_named) {
    Stated lie = good_;
    lie.diff_id = codec::Digest::parse(kOther).value();
    const Outcome outcome = verify_image_of(lie);
    EXPECT_TRUE(
        outcome.says("diffID: its tar is " + good_.diff_id.text() + ", the config says " + kOther))
        << outcome.text;
    EXPECT_EQ(outcome.bad_lines(), 1U) << outcome.text;
}

TEST_F(VerifyTest, wrong_size_and_truncated_and_missing_blobs_are_named) {
    Stated lie = good_;
    lie.size_bytes = good_.blob.size() + 1000;
    EXPECT_TRUE(verify_image_of(lie).says(std::to_string(good_.blob.size())));

    const auto manifest = manifest_in(directory_ / "lazy", "l");
    const std::string path = directory_ / "lazy/blobs/sha256/" + manifest->layers[0].digest.hex();
    std::filesystem::resize_file(path, good_.blob.size() / 2);
    EXPECT_TRUE(verify(lazy()).says(std::to_string(good_.blob.size() / 2)));
    std::filesystem::remove(path);
    const Outcome missing = verify(lazy());
    EXPECT_TRUE(missing.says(manifest->layers[0].digest.text())) << missing.text;
    EXPECT_TRUE(missing.says("layer 2/2")) << missing.text;
}

TEST_F(VerifyTest, config_that_is_not_the_manifests_is_named) {
    const auto manifest = manifest_in(directory_ / "lazy", "l");
    const std::string path = directory_ / "lazy/blobs/sha256/" + manifest->config.digest.hex();
    std::string config = TestLayout::read(path);
    config[config.find("A=b")] = 'B';
    std::ofstream{path, std::ios::binary} << config;
    const Outcome outcome = verify(lazy());
    EXPECT_TRUE(outcome.says("config     ")) << outcome.text;
    EXPECT_EQ(outcome.bad_lines(), 1U) << outcome.text;
}

TEST_F(VerifyTest, tells_programs_the_same) {
    const auto held = nlohmann::json::parse(verify(VerifyArgs{.image = lazy(), .json = true}).text,
                                            nullptr, false);
    EXPECT_EQ(held["holds"], true);
    EXPECT_EQ(held["layers"][0]["format"], "estargz");
    EXPECT_EQ(held["layers"][0]["files"], 5);
    EXPECT_EQ(held["layers"][0]["findings"].size(), 0U);

    Stated lie = good_;
    lie.diff_id = codec::Digest::parse(kOther).value();
    verify_image_of(lie);
    RecordingConsole console;
    EXPECT_EQ(run(VerifyArgs{.image = out_.place("x"), .json = true}, console), ExitCode::failed);
    const auto report = nlohmann::json::parse(console.data, nullptr, false);
    EXPECT_EQ(report["holds"], false);
    EXPECT_EQ(report["layers"][0]["holds"], false);
    EXPECT_EQ(report["layers"][0]["findings"].size(), 1U);
}

}  // namespace
}  // namespace lazybuild::cli
