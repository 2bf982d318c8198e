// SPDX-License-Identifier: Apache-2.0
// A LayerStore whose layers are plain directories, and which remembers what it was given: the
// containers of these tests are real, the layers need not be.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "builder/layers/layer_store.h"

namespace lazybuild::exec::test {

/// The files of a host's directory.
class DirectorySource final : public layers::FileSource {
  public:
    explicit DirectorySource(std::string directory) : directory_(std::move(directory)) {}
    Result<std::optional<layers::FileInfo>> look(std::string_view path) override;
    Result<std::vector<std::string>> list(std::string_view path) override;
    Result<layers::ContentDigest> digest(std::string_view path) override;
    Result<std::unique_ptr<ByteSource>> open(std::string_view path) override;

  private:
    std::string directory_;
};

class DirectoryLayer final : public layers::Layer {
  public:
    DirectoryLayer(std::string directory, std::string name);

    const codec::Digest& id() const override { return id_; }
    Result<std::shared_ptr<const codec::FileTree>> tree() override;
    Result<void> read_disk(std::uint64_t offset_bytes, MutableByteView out) override;
    bool contents_are_claims() const override { return false; }
    Result<void> mount(const std::string& image, const std::string& target) override;
    std::uint64_t failed_reads() const override { return failed; }
    std::uint64_t fetched_bytes() const override { return 0; }
    std::uint64_t blob_bytes() const override { return 0; }

    const std::string directory;
    std::vector<codec::LayerEntry> entries;       ///< as LayerMaker::add had them
    std::map<std::string, std::string> contents;  ///< of regular files, by path
    std::uint64_t failed = 0;

  private:
    codec::Digest id_;
};

/// The entry at `path`, or nullptr.
const codec::LayerEntry* find_entry(const DirectoryLayer& layer, std::string_view path);

class FakeStore final : public layers::LayerStore {
  public:
    /// `directory` exists and is on a file system that overlayfs takes for an upper directory.
    explicit FakeStore(std::string directory);

    const std::string& root() const override { return directory_; }
    Result<std::string> build_directory() override { return directory_ + "/build"; }
    Result<layers::LayerPointer> find(const codec::Digest&) override { return nullptr; }
    Result<void> import_layers(std::shared_ptr<image::ImageSource> /*source*/,
                               const std::vector<layers::ImportedLayer>& /*layers*/) override {
        return {};
    }
    Result<std::unique_ptr<layers::LayerMaker>> make_layer() override;
    Result<bool> check_layer(const codec::Digest&, layers::CheckDepth) override { return false; }
    Result<layers::Snapshot> open_image(std::shared_ptr<image::ImageSource>,
                                        const image::ImageDocument&,
                                        const image::ConfigDocument&) override;
    Result<std::vector<layers::LayerBlob>> blobs(const codec::Digest&) override;
    Result<void> add_blob(const codec::Digest&, const layers::LayerBlob&) override { return {}; }
    Result<std::vector<store::Origin>> origins(const codec::Digest&) override;
    Result<void> add_origin(const codec::Digest&, const store::Origin&) override { return {}; }
    std::optional<std::string> blob_path(const codec::Digest&) override { return std::nullopt; }
    Result<void> keep_blob(const codec::Digest&, const std::string&) override { return {}; }
    /// Of the topmost layer that has a name; enough for tests that replace nothing.
    std::unique_ptr<layers::FileSource> view(const layers::Snapshot& snapshot) override;
    Result<void> mount(const layers::Snapshot& snapshot,
                       const layers::SnapshotMount& where) override;
    Result<void> unmount(const std::string& target) override;
    Result<layers::Usage> usage() override { return layers::Usage{}; }
    Result<void> remove_layer(const codec::Digest&) override { return {}; }
    Result<void> remove_blob(const codec::Digest&) override { return {}; }
    Result<void> remove_lazy(unsigned) override { return {}; }
    Result<void> while_alone(const std::function<Result<void>()>& work) override { return work(); }

    std::size_t made = 0;  ///< layers

  private:
    std::string directory_;
};

}  // namespace lazybuild::exec::test
