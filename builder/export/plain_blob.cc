// SPDX-License-Identifier: Apache-2.0
#include "builder/export/plain_blob.h"

#include <string_view>

#include "base/assert.h"
#include "codec/media_type.h"
#include "codec/plain_layer_writer.h"

namespace lazybuild::exporter {
namespace {

struct Form {
    codec::Compression compression = codec::Compression::none;
    std::string_view media_type = codec::media_type::kOciLayer;
};

Form form_of(layers::Compression compression) {
    ASSERT(compression != layers::Compression::estargz);
    if (compression == layers::Compression::gzip) {
        return {codec::Compression::gzip, codec::media_type::kOciLayerGzip};
    }
    if (compression == layers::Compression::zstd) {
        return {codec::Compression::zstd, codec::media_type::kOciLayerZstd};
    }
    return {};
}

}  // namespace

Result<layers::LayerBlob> write_plain_blob(
    layers::Compression compression, int level, Workers& workers, ByteSink& out,
    const std::function<Result<void>(ByteSink& tar)>& write_tar) {
    const Form form = form_of(compression);
    TRY(const auto writer, codec::PlainLayerWriter::create(form.compression, level, workers, out));
    CHECK_OK(write_tar(*writer));
    TRY(const codec::WrittenLayer made, writer->finish());
    layers::LayerBlob blob{
        .descriptor = {}, .diff_id = made.diff_id, .compression = compression, .level = level};
    blob.descriptor.media_type = form.media_type;
    blob.descriptor.digest = made.blob;
    blob.descriptor.size_bytes = made.blob_size_bytes;
    return blob;
}

}  // namespace lazybuild::exporter
