// SPDX-License-Identifier: Apache-2.0
// Layers without an index, which is what most registries hold: a tar, plain or compressed with gzip
// or zstd. One pass over the blob, while it arrives, verifies it, unpacks it, and writes the disk
// and the images of a complete layer; no file is created for any file of the layer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"
#include "base/workers.h"
#include "codec/digest.h"
#include "codec/layer_unpack.h"
#include "codec/media_type.h"
#include "codec/strand_digest.h"
#include "codec/tar_stream.h"
#include "snapshotter/io/pool.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/layer/blob_pump.h"
#include "snapshotter/store/disk_writer.h"

namespace lazybuild::layer {

/// What a manifest and a config say of a layer.
struct PlainRequest {
    codec::Digest blob;
    std::uint64_t blob_size_bytes = 0;
    std::optional<codec::Digest> diff_id;  ///< checked when there is one
};

/// A layer that is all here and is what its image says.
struct PlainLayer {
    store::WrittenDisk disk;
    codec::Digest diff_id;
    codec::Compression compression = codec::Compression::none;
};

/// The pass itself: a sink for the blob's bytes.
/// Threads: one caller at a time, any, also one of the workers. Memory: some 30 MiB, and the tree.
class PlainUnpacker final : public ByteSink {
  public:
    /// As DiskWriter::create.
    static Result<std::unique_ptr<PlainUnpacker>> create(std::string directory, Workers& workers);
    ~PlainUnpacker() override;

    /// The next bytes of the blob. Errors: those of codec::LayerUnpacker, codec::TarStream and
    /// store::DiskWriter. After one, no more calls.
    Result<void> write(ByteView bytes) override;
    /// The blob has ended. Errors: as write(); bad_message when size, digest or diffID are not
    /// those of `request`; those of DiskWriter::finish.
    Result<PlainLayer> finish(const PlainRequest& request, store::DiskWriterOptions options);

  private:
    class Files;
    class Tar;
    PlainUnpacker(std::unique_ptr<store::DiskWriter> writer, Workers& workers);

    std::unique_ptr<store::DiskWriter> writer_;
    std::unique_ptr<Files> files_;
    codec::TarStream entries_;
    std::unique_ptr<Tar> tar_;
    codec::LayerUnpacker unpacker_;
    codec::StrandDigest blob_;
    std::uint64_t blob_bytes_ = 0;
};

/// Downloads and unpacks a layer into `directory`, which is there and empty; what is in it after an
/// Error is the caller's to remove. `pool` does the work; it and the reactor outlive the task.
/// Thread: the reactor's. Errors: those of pump_blob and PlainUnpacker.
io::Task<Result<PlainLayer>> unpack_plain(io::Reactor& reactor, io::Pool& pool, BlobOpener open,
                                          PlainRequest request, std::string directory,
                                          store::DiskWriterOptions options, OnFetched fetched,
                                          io::Wait wait);

}  // namespace lazybuild::layer
