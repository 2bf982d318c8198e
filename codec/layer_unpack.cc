// SPDX-License-Identifier: Apache-2.0
#include "codec/layer_unpack.h"

#include <fmt/format.h>

#include <utility>

namespace lazybuild::codec {
namespace {

constexpr std::size_t kMagicBytes = 4;
constexpr std::uint16_t kGzipMagic = 0x8b1f;

}  // namespace

void LayerUnpacker::begin() {
    started_ = true;
    if (is_zstd(head_)) {
        zstd_ = std::make_unique<ZstdStream>(kLayerTarBytesMax);
    } else if (head_.size() >= sizeof(kGzipMagic) && load_le<std::uint16_t>(head_) == kGzipMagic) {
        gzip_ =
            std::make_unique<GzipStream>(GzipStreamOptions{.output_bytes_max = kLayerTarBytesMax});
    }
}

Result<void> LayerUnpacker::write(ByteView bytes) {
    if (started_) {
        return unpack(bytes);
    }
    head_.insert(head_.end(), bytes.begin(), bytes.end());
    if (head_.size() < kMagicBytes) {
        return {};
    }
    begin();
    return unpack(std::exchange(head_, {}));
}

Result<void> LayerUnpacker::unpack(ByteView bytes) {
    if (gzip_) {
        return gzip_->push(bytes, tar_);
    }
    if (zstd_) {
        return zstd_->push(bytes, tar_);
    }
    plain_bytes_ += bytes.size();
    if (plain_bytes_ > kLayerTarBytesMax) {
        return fail(over_limit(fmt::format("it holds more than {} bytes", kLayerTarBytesMax)));
    }
    return tar_.write(bytes);
}

Result<void> LayerUnpacker::finish() {
    if (!started_) {
        begin();
        CHECK_OK(unpack(std::exchange(head_, {})));
    }
    if (gzip_) {
        return gzip_->finish();
    }
    return zstd_ ? zstd_->finish() : Result<void>{};
}

}  // namespace lazybuild::codec
