// SPDX-License-Identifier: Apache-2.0
#include "builder/image/layer_unpack.h"

#include <fmt/format.h>

#include <utility>

namespace lazybuild::image {
namespace {

constexpr std::uint32_t kZstdMagic = 0xfd2fb528;
constexpr std::uint16_t kGzipMagic = 0x8b1f;

}  // namespace

Result<void> LayerUnpacker::write(ByteView bytes) {
    if (!std::exchange(started_, true)) {
        if (bytes.size() >= sizeof(kZstdMagic) && load_le<std::uint32_t>(bytes) == kZstdMagic) {
            return fail(Error{.code = std::errc::not_supported,
                              .message = "it is compressed with zstd, which cannot be read yet"});
        }
        if (bytes.size() >= sizeof(kGzipMagic) && load_le<std::uint16_t>(bytes) == kGzipMagic) {
            gzip_ = std::make_unique<codec::GzipStream>(
                codec::GzipStreamOptions{.output_bytes_max = kLayerTarBytesMax});
        }
    }
    if (gzip_) {
        return gzip_->push(bytes, tar_);
    }
    plain_bytes_ += bytes.size();
    if (plain_bytes_ > kLayerTarBytesMax) {
        return fail(over_limit(fmt::format("it holds more than {} bytes", kLayerTarBytesMax)));
    }
    return tar_.write(bytes);
}

Result<void> LayerUnpacker::finish() {
    return gzip_ ? gzip_->finish() : Result<void>{};
}

}  // namespace lazybuild::image
