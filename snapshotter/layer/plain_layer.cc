// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/plain_layer.h"

#include <fmt/format.h>

#include <utility>

namespace lazybuild::layer {

using io::or_return;
// What the tar holds goes onto the disk.
class PlainUnpacker::Files final : public codec::TarVisitor {
  public:
    explicit Files(store::DiskWriter& writer) : writer_(writer) {}

    Result<void> entry(codec::TarEntry entry, ByteView /*header*/) override {
        return writer_.begin(std::move(entry.entry));
    }
    Result<void> payload(ByteView bytes) override { return writer_.payload(bytes); }
    Result<void> padding(ByteView /*bytes*/) override { return {}; }
    Result<void> other(ByteView /*bytes*/) override { return {}; }

  private:
    store::DiskWriter& writer_;
};

// The tar, as it comes out of the blob.
class PlainUnpacker::Tar final : public ByteSink {
  public:
    Tar(codec::TarStream& entries, Workers& workers) : entries_(entries), diff_id_(workers) {}

    Result<void> write(ByteView bytes) override {
        diff_id_.update(bytes);
        return entries_.push(bytes);
    }
    codec::Digest finish() { return diff_id_.finish(); }

  private:
    codec::TarStream& entries_;
    codec::StrandDigest diff_id_;
};

PlainUnpacker::PlainUnpacker(std::unique_ptr<store::DiskWriter> writer, Workers& workers)
    : writer_(std::move(writer)),
      files_(std::make_unique<Files>(*writer_)),
      entries_(*files_),
      tar_(std::make_unique<Tar>(entries_, workers)),
      unpacker_(*tar_),
      blob_(workers) {}

PlainUnpacker::~PlainUnpacker() = default;

Result<std::unique_ptr<PlainUnpacker>> PlainUnpacker::create(std::string directory,
                                                             Workers& workers) {
    TRY(std::unique_ptr<store::DiskWriter> writer,
        store::DiskWriter::create(std::move(directory), workers));
    return std::unique_ptr<PlainUnpacker>{new PlainUnpacker(std::move(writer), workers)};
}

Result<void> PlainUnpacker::write(ByteView bytes) {
    blob_.update(bytes);
    blob_bytes_ += bytes.size();
    return unpacker_.write(bytes);
}

// What is wrong with the blob is said before what is wrong with what is in it.
Result<PlainLayer> PlainUnpacker::finish(const PlainRequest& request,
                                         store::DiskWriterOptions options) {
    const codec::Digest blob = blob_.finish();
    if (blob_bytes_ != request.blob_size_bytes || blob != request.blob) {
        return fail(corrupt(
            fmt::format("the blob has {} bytes and the digest {}, its manifest says {} and {}",
                        blob_bytes_, blob.text(), request.blob_size_bytes, request.blob.text())));
    }
    CHECK_OK(unpacker_.finish());
    CHECK_OK(entries_.finish());
    PlainLayer layer{.disk = {}, .diff_id = tar_->finish(), .compression = unpacker_.compression()};
    if (request.diff_id && layer.diff_id != *request.diff_id) {
        return fail(corrupt(fmt::format("its diffID is {}, the image's config says {}",
                                        layer.diff_id.text(), request.diff_id->text())));
    }
    TRY(layer.disk, writer_->finish(options));
    return layer;
}

io::Task<Result<PlainLayer>> unpack_plain(io::Reactor& reactor, io::Pool& pool, BlobOpener open,
                                          PlainRequest request, std::string directory,
                                          store::DiskWriterOptions options, OnFetched fetched,
                                          io::Wait wait) {
    std::unique_ptr<PlainUnpacker> unpacker =
        co_await or_return(PlainUnpacker::create(std::move(directory), pool));
    const Result<void> pumped =
        co_await pump_blob(reactor, pool, std::move(open), request.blob_size_bytes, *unpacker,
                           std::move(fetched), std::move(wait));
    auto finish = [&pumped, &unpacker, &request, &options]() -> Result<PlainLayer> {
        Result<PlainLayer> layer =
            pumped ? unpacker->finish(request, options) : fail(pumped.error());
        unpacker.reset();  // waits for workers: not on the reactor's thread
        return layer;
    };
    co_return co_await io::run_on(pool, reactor, std::move(finish));
}

}  // namespace lazybuild::layer
