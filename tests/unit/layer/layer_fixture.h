// SPDX-License-Identifier: Apache-2.0
// Layers for tests: real eStargz blobs made by our own writer from tars made here, in a store in a
// temporary directory, and a daemon's worth of machinery around them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "codec/estargz_footer.h"
#include "codec/estargz_format.h"
#include "codec/estargz_toc.h"
#include "codec/estargz_writer.h"
#include "codec/sha256.h"
#include "codec/tar.h"
#include "snapshotter/layer/layer_manager.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::layer {

/// Bytes that do not compress away entirely, the same for the same seed.
inline Bytes content_of(std::size_t size_bytes, unsigned seed) {
    std::mt19937 random{seed};
    Bytes bytes(size_bytes);
    for (std::byte& byte : bytes) {
        byte = static_cast<std::byte>(random() % 64);
    }
    return bytes;
}

struct TestLayer {
    std::map<std::string, Bytes> files;
    Bytes tar;
    Bytes blob;
    codec::EstargzResult info;

    codec::Toc toc() const {
        const auto footer =
            codec::find_estargz_footer(ByteView{blob}.last(codec::kEstargzFooterBytesMax));
        const std::uint64_t begin = footer.value()->toc_offset_bytes;
        auto toc = codec::read_toc(
            ByteView{blob}.subspan(begin, blob.size() - codec::kEstargzFooterBytesMax - begin),
            begin, info.toc);
        EXPECT_TRUE(toc.has_value()) << toc.error().message;
        return std::move(toc).value();
    }
};

/// A layer with a directory "d" and the files given, in order of name.
inline TestLayer make_layer(const std::map<std::string, Bytes>& files,
                            const codec::EstargzOptions& options = {}) {
    TestLayer layer{.files = files, .tar = {}, .blob = {}, .info = {}};
    const auto append = [&layer](ByteView bytes) {
        layer.tar.insert(layer.tar.end(), bytes.begin(), bytes.end());
    };
    codec::TarEntry entry;
    entry.entry = {.type = codec::FileType::directory, .path = "d/", .mode = 0755};
    append(codec::tar_header(entry));
    for (const auto& [name, content] : files) {
        entry.entry = {.type = codec::FileType::regular,
                       .path = "d/" + name,
                       .mode = 0644,
                       .size_bytes = content.size()};
        append(codec::tar_header(entry));
        append(content);
        append(codec::tar_padding(content.size()));
    }
    append(codec::tar_end());
    const MemoryAccess tar{layer.tar};
    MemorySink sink;
    auto written = codec::write_estargz(tar, options, sink);
    EXPECT_TRUE(written.has_value()) << written.error().message;
    layer.info = *written;
    layer.blob = sink.bytes();
    return layer;
}

/// Small files, one of many chunks, and one empty.
inline TestLayer usual_layer() {
    std::map<std::string, Bytes> files;
    for (unsigned i = 0; i < 40; ++i) {
        files["small" + std::to_string(100 + i)] = content_of(1000 + 777 * i, i);
    }
    files["large"] = content_of(3'000'000, 1000);
    files["empty"] = {};
    return make_layer(files, {.chunk_size_bytes = 256 << 10});
}

/// A directory on a real file system, gone at the end. EROFS does not mount from tmpfs.
class TemporaryRoot {
  public:
    TemporaryRoot() {
        char pattern[] = "/var/tmp/lazybuild-layer-XXXXXX";
        path_ = ::mkdtemp(pattern);
    }
    TemporaryRoot(const TemporaryRoot&) = delete;
    TemporaryRoot& operator=(const TemporaryRoot&) = delete;
    ~TemporaryRoot() { [[maybe_unused]] const auto removed = remove_tree(path_); }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

/// The files of a layer in a directory of their own, without a store.
inline std::shared_ptr<store::LayerFiles> open_files(const TestLayer& layer,
                                                     const std::string& directory) {
    if (!std::filesystem::exists(directory)) {
        EXPECT_TRUE(make_directories(directory).has_value());
        const codec::Toc toc = layer.toc();
        const auto made = store::make_layer_files(directory, toc.tree, layer.info.blob,
                                                  codec::kEstargzFormat, layer.blob.size());
        EXPECT_TRUE(made.has_value()) << made.error().message;
    }
    auto files = store::LayerFiles::open(directory);
    EXPECT_TRUE(files.has_value()) << files.error().message;
    return std::move(*files);
}

}  // namespace lazybuild::layer
