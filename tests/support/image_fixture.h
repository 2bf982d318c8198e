// SPDX-License-Identifier: Apache-2.0
// Images made of real tars, in OCI layouts, and a image::Console that remembers: what the tests of
// the commands have in common.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "builder/cli/process_console.h"
#include "codec/media_type.h"
#include "codec/oci_manifest.h"
#include "codec/sha256.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::cli {

/// Keeps what it is told, to be looked at when nobody notes any more; interrupts the command at a
/// note that contains `interrupt_at`.
class RecordingConsole final : public image::Console {
  public:
    void out(std::string_view text) override { data += text; }
    void note(std::string_view line) override {
        const std::lock_guard lock(mutex_);
        notes += std::string{line} + "\n";
        if (!interrupt_at.empty() && line.find(interrupt_at) != std::string_view::npos && stop_) {
            stop_();
        }
    }
    void on_interrupt(std::function<void()> stop) override {
        const std::lock_guard lock(mutex_);
        stop_ = std::move(stop);
    }

    bool noted(std::string_view words) const { return notes.find(words) != std::string::npos; }

    std::string data;
    std::string notes;
    std::string interrupt_at;

  private:
    std::mutex mutex_;
    std::function<void()> stop_;
};

/// A blob of an image under construction.
struct TestBlob {
    codec::Digest digest;
    std::uint64_t size_bytes = 0;
    std::string media_type;  ///< of documents

    /// Its descriptor, with `more` members.
    std::string entry(std::string_view more = "") const { return json(media_type, more); }
    std::string json(std::string_view type, std::string_view more = "") const {
        return fmt::format(R"({{"mediaType":"{}","digest":"{}","size":{}{}}})", type, digest.text(),
                           size_bytes, more);
    }
};

struct TestLayer {
    TestBlob blob;
    codec::Digest diff_id;
    std::string media_type;
};

/// An OCI layout that tests fill by hand, file by file, without the code under test.
class TestLayout {
  public:
    explicit TestLayout(const test::TempDir& directory, std::string name = "in")
        : directory_(directory), path_(directory / name) {
        directory_.run("mkdir -p " + path_ + "/blobs/sha256");
        write("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
        write_index({});
    }

    const std::string& path() const { return path_; }
    std::string place(std::string_view tag) const { return fmt::format("oci:{}:{}", path_, tag); }
    std::string blob_path(const codec::Digest& digest) const {
        return path_ + "/blobs/sha256/" + digest.hex();
    }

    TestBlob add(std::string_view content) const {
        TestBlob blob{codec::sha256(as_bytes(content)), content.size(), ""};
        write("blobs/sha256/" + blob.digest.hex(), content);
        return blob;
    }

    /// A layer with the files that `script` makes in an empty directory, packed by GNU tar.
    TestLayer add_layer(const std::string& script, bool compressed = true) const {
        const std::string root = path_ + ".root";
        directory_.run("rm -rf " + root + " && mkdir " + root + " && cd " + root + " && " + script);
        directory_.run(
            "tar --sort=name --mtime=@1700000000 --format=pax "
            "--pax-option=delete=atime,delete=ctime -C " +
            root + " -cf " + path_ + ".tar .");
        const std::string tar = read(path_ + ".tar");
        TestLayer layer;
        layer.diff_id = codec::sha256(as_bytes(tar));
        if (compressed) {
            directory_.run("gzip -n -9 -f " + path_ + ".tar");
            layer.blob = add(read(path_ + ".tar.gz"));
            layer.media_type = codec::media_type::kOciLayerGzip;
        } else {
            layer.blob = add(tar);
            layer.media_type = codec::media_type::kOciLayer;
        }
        return layer;
    }

    /// A manifest of `layers` with its config; Docker's types when the layers are Docker's.
    TestBlob add_image(const std::vector<TestLayer>& layers,
                       std::string_view architecture = "amd64") const {
        std::string diff_ids;
        std::string descriptors;
        for (const TestLayer& layer : layers) {
            const char* const comma = diff_ids.empty() ? "" : ",";
            diff_ids += fmt::format("{}\"{}\"", comma, layer.diff_id.text());
            descriptors += comma + layer.blob.json(layer.media_type);
        }
        const TestBlob config = add(fmt::format(
            R"({{"architecture":"{}","os":"linux","config":{{"Env":["A=b"],"Cmd":["/bin/cat"],)"
            R"("x-kept":1}},"history":[{{"created_by":"test"}}],)"
            R"("rootfs":{{"type":"layers","diff_ids":[{}]}}}})",
            architecture, diff_ids));
        const bool docker =
            !layers.empty() && layers[0].media_type == codec::media_type::kDockerLayerGzip;
        TestBlob image = add(fmt::format(
            R"({{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}],"x-kept":true}})",
            docker ? codec::media_type::kDockerManifest : codec::media_type::kOciManifest,
            config.json(docker ? codec::media_type::kDockerConfig : codec::media_type::kOciConfig),
            descriptors));
        image.media_type =
            docker ? codec::media_type::kDockerManifest : codec::media_type::kOciManifest;
        return image;
    }

    /// What index.json names: descriptors as JSON, and the tag of each.
    void write_index(const std::vector<std::pair<std::string, std::string>>& images) const {
        std::string entries;
        for (const auto& [descriptor, tag] : images) {
            std::string entry = descriptor;
            entry.pop_back();
            entry += fmt::format(R"(,"annotations":{{"org.opencontainers.image.ref.name":"{}"}}}})",
                                 tag);
            entries += (entries.empty() ? "" : ",") + entry;
        }
        write("index.json", fmt::format(R"({{"schemaVersion":2,"manifests":[{}]}})", entries));
    }

    void write(const std::string& name, std::string_view content) const {
        std::ofstream{path_ + "/" + name, std::ios::binary} << content;
    }

    static std::string read(const std::string& path) {
        constexpr std::uint64_t kBytesMax = 1 << 30;
        auto content = read_file(path, kBytesMax);
        EXPECT_TRUE(content) << path;
        return content.value_or("");
    }

  private:
    const test::TempDir& directory_;
    std::string path_;
};

/// The manifest that a layout's index.json has for `tag`; nullopt when there is none.
inline std::optional<codec::Manifest> manifest_in(const std::string& layout,
                                                  const std::string& tag) {
    const std::string index_text = TestLayout::read(layout + "/index.json");
    const auto index = codec::Index::parse(as_bytes(index_text), "");
    EXPECT_TRUE(index);
    for (const codec::Descriptor& image : index->manifests) {
        if (image.annotations.at("org.opencontainers.image.ref.name") == tag) {
            const std::string text =
                TestLayout::read(layout + "/blobs/sha256/" + image.digest.hex());
            EXPECT_EQ(codec::sha256(as_bytes(text)), image.digest);
            auto manifest = codec::Manifest::parse(as_bytes(text), image.media_type);
            EXPECT_TRUE(manifest) << manifest.error().message;
            return *std::move(manifest);
        }
    }
    return std::nullopt;
}

inline std::string digest_line(const TestBlob& blob) {
    return blob.digest.text() + "\n";
}

}  // namespace lazybuild::cli
