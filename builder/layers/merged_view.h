// SPDX-License-Identifier: Apache-2.0
// The files of a snapshot, found in the indexes of its layers as overlayfs would find them: nothing
// is mounted, and bytes are read (and fetched) for files that are opened only.
//
// - A name is looked for in one layer after the other, the topmost first. A whiteout (a character
//   device 0:0) and a file end the search; directories are one with those below them, until one
//   that is opaque, and have the attributes of the topmost.
// - Layers are taken as they look where they lie (chain_trees.h).
// - Names of one file have one inode number when they are names in one layer.
//
// Source: Linux Documentation/filesystems/overlayfs.rst; OCI image-spec v1.1 layer.md.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "builder/layers/chain_trees.h"
#include "builder/layers/file_source.h"
#include "builder/layers/layer.h"

namespace lazybuild::layers {

/// Threads: any, any number of calls at a time.
class MergedView final : public FileSource {
  public:
    MergedView(Snapshot snapshot, std::shared_ptr<ChainTrees> chains)
        : snapshot_(std::move(snapshot)), chains_(std::move(chains)) {}

    Result<std::optional<FileInfo>> look(std::string_view path) override;
    Result<std::vector<std::string>> list(std::string_view path) override;
    /// Read only when the layer's index does not say it.
    Result<ContentDigest> digest(std::string_view path) override;
    Result<std::unique_ptr<ByteSource>> open(std::string_view path) override;

  private:
    struct Place {
        std::size_t layer = 0;  ///< 0 is the bottom one
        codec::NodeId node = codec::kRootNode;
    };
    /// One directory: where it is in each layer that has it, the topmost first. Empty: there is
    /// none. A file is a Places of one.
    using Places = std::vector<Place>;
    using PlacesPointer = std::shared_ptr<const Places>;

    Result<void> load();
    const codec::Node& node(Place place) const { return trees_[place.layer]->nodes[place.node]; }
    bool is_directory(const Places& places) const;
    Places step(const Places& directory, std::string_view name) const;
    PlacesPointer directory_at(std::string_view path);
    Places places_at(std::string_view path);
    Result<Place> regular_file(std::string_view path);
    std::vector<std::string> merge_names(const Places& directory) const;

    const Snapshot snapshot_;
    const std::shared_ptr<ChainTrees> chains_;
    std::mutex mutex_;                // guards loading trees_, and what follows it
    std::vector<TreePointer> trees_;  ///< as many as layers once loaded; then it does not change
    std::unordered_map<std::string, PlacesPointer> directories_;
    std::unordered_map<std::uint64_t, codec::Digest> digests_;  ///< of files that were read for it
};

}  // namespace lazybuild::layers
