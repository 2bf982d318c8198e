// SPDX-License-Identifier: Apache-2.0
#include "codec/plain_layer_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "codec/gzip_member.h"
#include "codec/ordered_jobs.h"
#include "codec/strand_digest.h"
#include "codec/zstd.h"

namespace lazybuild::codec {
namespace {

// Of a piece: what is lost at its borders is less than a hundredth.
constexpr std::size_t kGzipPieceBytes = 1 << 20;
constexpr std::size_t kZstdPieceBytes = 4 << 20;
constexpr std::size_t kPiecesMax = 8;

/// Compressors that nobody uses just now: their tables take longer to make than a piece.
template <class Compressor>
class Spares {
  public:
    explicit Spares(int level) : level_(level) {}

    Bytes compress(ByteView text) {
        std::unique_ptr<Compressor> compressor = take();
        Bytes out;
        compressor->append(text, out);
        const std::lock_guard lock(mutex_);
        spares_.push_back(std::move(compressor));
        return out;
    }

  private:
    std::unique_ptr<Compressor> take() {
        {
            const std::lock_guard lock(mutex_);
            if (!spares_.empty()) {
                std::unique_ptr<Compressor> spare = std::move(spares_.back());
                spares_.pop_back();
                return spare;
            }
        }
        return std::make_unique<Compressor>(level_);
    }

    const int level_;
    std::mutex mutex_;  // guards spares_
    std::vector<std::unique_ptr<Compressor>> spares_;
};

/// libdeflate at every level.
class PortableMember {
  public:
    explicit PortableMember(int level) : compressor_(level, MemberCompressor::Portable::yes) {}
    void append(ByteView text, Bytes& out) { compressor_.append(text, out); }

  private:
    MemberCompressor compressor_;
};

class AsItIs final : public PlainLayerWriter {
  public:
    AsItIs(Workers& workers, ByteSink& out) : diff_id_(workers), out_(out) {}

    Result<void> write(ByteView bytes) override {
        diff_id_.update(bytes);
        size_bytes_ += bytes.size();
        return out_.write(bytes);
    }
    Result<WrittenLayer> finish() override {
        const Digest digest = diff_id_.finish();
        return WrittenLayer{.blob = digest,
                            .blob_size_bytes = size_bytes_,
                            .diff_id = digest,
                            .uncompressed_size_bytes = size_bytes_};
    }

  private:
    StrandDigest diff_id_;
    std::uint64_t size_bytes_ = 0;
    ByteSink& out_;
};

template <class Compressor>
class Pieces final : public PlainLayerWriter {
  public:
    Pieces(int level, std::size_t piece_bytes, Workers& workers, ByteSink& out)
        : compressors_(level),
          piece_bytes_(piece_bytes),
          diff_id_(workers),
          blob_(workers),
          out_(out),
          jobs_(workers) {}

    Result<void> write(ByteView bytes) override {
        diff_id_.update(bytes);
        written_.uncompressed_size_bytes += bytes.size();
        while (!bytes.empty()) {
            const std::size_t count = std::min(bytes.size(), piece_bytes_ - piece_.size());
            const auto end = bytes.begin() + static_cast<std::ptrdiff_t>(count);
            piece_.insert(piece_.end(), bytes.begin(), end);
            bytes = bytes.subspan(count);
            if (piece_.size() == piece_bytes_) {
                CHECK_OK(submit());
            }
        }
        return {};
    }

    Result<WrittenLayer> finish() override {
        // An empty stream is a member too.
        if (!piece_.empty() || written_.uncompressed_size_bytes == 0) {
            CHECK_OK(submit());
        }
        CHECK_OK(emit(0));
        written_.diff_id = diff_id_.finish();
        written_.blob = blob_.finish();
        return written_;
    }

  private:
    Result<void> submit() {
        jobs_.submit(
            [this, piece = std::exchange(piece_, {})] { return compressors_.compress(piece); });
        piece_.reserve(piece_bytes_);
        return emit(kPiecesMax);
    }
    Result<void> emit(std::size_t jobs_max) {
        while (jobs_.size() > jobs_max) {
            const Bytes compressed = jobs_.take();
            blob_.update(compressed);
            written_.blob_size_bytes += compressed.size();
            CHECK_OK(out_.write(compressed));
        }
        return {};
    }

    Spares<Compressor> compressors_;
    const std::size_t piece_bytes_;
    Bytes piece_;
    WrittenLayer written_;
    StrandDigest diff_id_;
    StrandDigest blob_;
    ByteSink& out_;
    OrderedJobs<Bytes> jobs_;  // last: its jobs end before what they use
};

Result<int> level_of(std::optional<int> wanted, int min, int max, int usual,
                     std::string_view name) {
    const int level = wanted.value_or(usual);
    if (level < min || level > max) {
        return fail(
            invalid(fmt::format("the level of {} is {} to {}, not {}", name, min, max, level)));
    }
    return level;
}

}  // namespace

Result<std::unique_ptr<PlainLayerWriter>> PlainLayerWriter::create(Compression compression,
                                                                   std::optional<int> level,
                                                                   Workers& workers,
                                                                   ByteSink& out) {
    if (compression == Compression::gzip) {
        TRY(const int gzip_level, level_of(level, kPlainGzipLevelMin, kPlainGzipLevelMax,
                                           kPlainGzipLevelDefault, "gzip"));
        return std::make_unique<Pieces<PortableMember>>(gzip_level, kGzipPieceBytes, workers, out);
    }
    if (compression == Compression::zstd) {
        TRY(const int zstd_level,
            level_of(level, kZstdLevelMin, kZstdLevelMax, kZstdLevelDefault, "zstd"));
        return std::make_unique<Pieces<ZstdFrameCompressor>>(zstd_level, kZstdPieceBytes, workers,
                                                             out);
    }
    return std::make_unique<AsItIs>(workers, out);
}

}  // namespace lazybuild::codec
