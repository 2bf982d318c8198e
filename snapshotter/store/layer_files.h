// SPDX-License-Identifier: Apache-2.0
// A layer's directory: tree.erofs (the metadata that the kernel mounts), chunks, disk (sparse; all
// payloads), have (which chunks are on the disk), and for some layers what kept_toc.h says, with
// the images chain-*.erofs that are made from it. Made in a staged directory that the store renames
// into place with its record, so a crash leaves a directory that is whole or one that is removed.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "codec/digest.h"
#include "codec/file_tree.h"
#include "snapshotter/store/chunk_table.h"
#include "snapshotter/store/presence.h"

namespace lazybuild::store {

/// File names inside a layer's directory.
std::string tree_path(const std::string& layer_directory);
std::string disk_path(const std::string& layer_directory);
/// The layer's tree, as codec/tree_index.h writes it, where it is kept.
std::string index_path(const std::string& layer_directory);
/// chain-<chain>.erofs; `chain` is a name of the caller's.
std::string chain_path(const std::string& layer_directory, std::string_view chain);

/// Writes the files of a new layer into `directory`, which is there and empty (Store::stage_layer).
/// `identity` makes the EROFS image's UUID; `data_end_bytes` is where the blob's last data member
/// ends.
Result<void> make_layer_files(const std::string& directory, const codec::FileTree& tree,
                              const codec::Digest& identity, const codec::LayerFormat& format,
                              std::uint64_t data_end_bytes);

/// Adds to what DiskWriter has written what LayerFiles::open expects of every layer: no chunk is
/// missing.
Result<void> finish_whole_layer(const std::string& directory, std::uint64_t disk_size_bytes);

/// Writes a layer's tree into its directory, synced. Errors: file_exists.
Result<void> write_layer_index(const std::string& layer_directory, const codec::FileTree& tree);
/// Errors: no_such_file_or_directory where none is kept; those of codec::read_tree_index.
Result<codec::FileTree> read_layer_index(const std::string& layer_directory);

/// Writes one more metadata image of a layer, at `path`: whole, or not at all, whatever crashes.
Result<void> write_chain_tree(const codec::FileTree& tree, const codec::Digest& identity,
                              const std::string& path);

/// An open layer. Any thread; the members say their own rules.
class LayerFiles {
  public:
    /// Errors: no_such_file_or_directory, or bad_message when the files do not fit each other.
    static Result<std::unique_ptr<LayerFiles>> open(const std::string& directory);

    const ChunkTable& chunks() const { return chunks_; }
    Presence& presence() { return *presence_; }
    const Presence& presence() const { return *presence_; }
    std::uint64_t disk_size_bytes() const { return chunks_.disk_size_bytes(); }

    /// True when every byte of disk [offset, offset + size) can be read from the file.
    bool has(std::uint64_t offset_bytes, std::uint64_t size_bytes) const;

    /// Fills `out` from the disk and drops the pages again: the kernel caches a layer's bytes once,
    /// in EROFS's page cache (design section 3.5). Call only for what has() said is there.
    Result<void> read(std::uint64_t offset_bytes, MutableByteView out) const;

    /// Writes a verified chunk and marks it.
    Result<void> keep(ChunkIndex chunk, ByteView bytes);

  private:
    LayerFiles(Fd disk, ChunkTable chunks) : disk_(std::move(disk)), chunks_(std::move(chunks)) {}

    Fd disk_;
    ChunkTable chunks_;
    std::unique_ptr<Presence> presence_;
};

}  // namespace lazybuild::store
