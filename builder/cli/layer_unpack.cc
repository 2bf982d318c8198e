// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/layer_unpack.h"

#include <fmt/format.h>

#include <utility>

namespace lazybuild::cli {
namespace {

constexpr std::uint32_t kZstdMagic = 0xfd2fb528;
constexpr std::uint16_t kGzipMagic = 0x8b1f;

}  // namespace

// Digests what it passes on.
class LayerUnpacker::TarSink final : public ByteSink {
  public:
    explicit TarSink(ByteSink& out) : out_(out) {}

    Result<void> write(ByteView bytes) override {
        size_bytes_ += bytes.size();
        if (size_bytes_ > kLayerTarBytesMax) {
            return fail(
                over_limit(fmt::format("it unpacks to more than {} bytes", kLayerTarBytesMax)));
        }
        digest_.update(bytes);
        return out_.write(bytes);
    }
    codec::Digest finish() { return digest_.finish(); }

  private:
    ByteSink& out_;
    codec::Sha256 digest_;
    std::uint64_t size_bytes_ = 0;
};

LayerUnpacker::LayerUnpacker(ByteSink& out) : tar_(std::make_unique<TarSink>(out)) {}
LayerUnpacker::~LayerUnpacker() = default;

Result<void> LayerUnpacker::write(ByteView bytes) {
    if (!std::exchange(started_, true)) {
        if (bytes.size() >= sizeof(kZstdMagic) && load_le<std::uint32_t>(bytes) == kZstdMagic) {
            return fail(Error{.code = std::errc::not_supported,
                              .message = "it is compressed with zstd, which cannot be read yet"});
        }
        if (bytes.size() >= sizeof(kGzipMagic) && load_le<std::uint16_t>(bytes) == kGzipMagic) {
            gzip_ = std::make_unique<codec::GzipStream>();
        }
    }
    return gzip_ ? gzip_->push(bytes, *tar_) : tar_->write(bytes);
}

Result<codec::Digest> LayerUnpacker::finish() {
    if (gzip_) {
        CHECK_OK(gzip_->finish());
    }
    return tar_->finish();
}

}  // namespace lazybuild::cli
