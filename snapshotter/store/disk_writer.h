// SPDX-License-Identifier: Apache-2.0
// Writes a layer that is made here, from its entries and their bytes in the order in which they
// come: the payloads into one sparse file, the layer's disk; no file is created for any of them.
// Small files are hashed many at once, and disk and digests are worked on beside the caller.
//
// What stands in the directory afterwards: disk (complete), tree.erofs (what the kernel mounts),
// and tree (codec/tree_index.h). There is no chunk table: no byte is ever fetched.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/workers.h"
#include "codec/digest.h"
#include "codec/file_tree.h"
#include "codec/ordered_jobs.h"
#include "codec/strand_digest.h"

namespace lazybuild::store {

/// A layer that DiskWriter has written.
struct WrittenDisk {
    /// Files are cut into chunks of codec::kPieceBytes: blob_offset_bytes is a chunk's place on the
    /// disk. Node::content is each whole file's.
    std::shared_ptr<const codec::FileTree> tree;
    codec::Digest tree_digest;  ///< codec::tree_digest of it
};

struct DiskWriterOptions {
    /// Where tree.erofs's UUID comes from; the tree's digest when there is none.
    std::optional<codec::Digest> identity;
    /// finish() returns when the files and their names would survive a crash.
    bool durable = true;
};

/// Threads: one caller at a time, any, also one of the workers. Memory: some 16 MiB, and the tree.
class DiskWriter {
  public:
    /// `directory` is there and empty, and stays the caller's; so does what is in it after an
    /// Error. `workers` outlives the writer.
    static Result<std::unique_ptr<DiskWriter>> create(std::string directory, Workers& workers);
    DiskWriter(const DiskWriter&) = delete;
    DiskWriter& operator=(const DiskWriter&) = delete;

    /// The next entry, whose chunks and content are not looked at. A non-empty regular file's bytes
    /// follow. Errors: those of codec::FileTreeBuilder::add; over_limit for a disk of more than
    /// codec::kDiskBytesMax; invalid_argument when the file before lacks bytes; errno values of
    /// writing, also of earlier entries. After an Error, no more calls.
    Result<void> begin(codec::LayerEntry entry);
    /// More of the file's bytes. Errors: also invalid_argument for more than it has.
    Result<void> payload(ByteView bytes);
    /// Errors: also those of codec::FileTreeBuilder::finish and codec::write_erofs.
    Result<WrittenDisk> finish(const DiskWriterOptions& options);

    /// Of all files so far, with the gaps between them.
    std::uint64_t disk_size_bytes() const { return disk_end_bytes_; }

  private:
    struct File {
        std::uint64_t disk_offset_bytes = 0;
        std::size_t first_digest = 0;  // of digests_
    };
    /// A piece of a file (codec::kPieceBytes), which most files have one of.
    struct Part {
        std::size_t digest = 0;  // of digests_
        std::size_t begin_bytes = 0;
        std::size_t size_bytes = 0;
    };
    /// A run of the disk, and the whole pieces in it.
    struct Batch {
        std::uint64_t disk_offset_bytes = 0;
        Bytes bytes;
        std::vector<Part> parts;
    };
    struct Hashed {
        std::vector<Part> parts;
        std::vector<codec::Digest> digests;  // of the parts
        Result<void> written;
        Bytes buffer;  // to be used again
    };

    DiskWriter(std::string directory, Fd disk, Workers& workers);

    Result<void> begin_piece();
    Result<void> end_piece();
    Result<void> seal();
    Result<void> collect(std::size_t batches_max);
    static Hashed carry_out(Batch batch, int disk);
    Result<std::shared_ptr<codec::FileTree>> finish_tree();
    Result<void> write_metadata(const codec::FileTree& tree, const codec::Digest& identity,
                                bool durable) const;

    const std::string directory_;
    const Fd disk_;
    codec::FileTreeBuilder builder_;
    std::vector<File> files_;  // in the order of the disk
    /// Of the pieces of each file; behind those of a file with several, that of the whole file.
    std::vector<codec::Digest> digests_;
    std::uint64_t disk_end_bytes_ = 0;  // of the files whose entries have come
    std::uint64_t file_size_bytes_ = 0;
    std::uint64_t file_rest_bytes_ = 0;
    std::size_t piece_begin_bytes_ = 0;  // in open_
    std::uint64_t piece_rest_bytes_ = 0;
    Batch open_;
    std::vector<Bytes>
        spare_;  // buffers of batches that are done: new ones cost a page fault a page
    codec::StrandDigest large_file_;  // one of several pieces
    codec::OrderedJobs<Hashed> batches_;
};

}  // namespace lazybuild::store
