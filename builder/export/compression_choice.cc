// SPDX-License-Identifier: Apache-2.0
#include "builder/export/compression_choice.h"

#include <fmt/format.h>

#include "codec/gzip_member.h"
#include "codec/plain_layer_writer.h"
#include "codec/zstd.h"

namespace lazybuild::exporter {

using layers::Compression;

int level_of(Compression compression, std::optional<int> asked) {
    switch (compression) {
        case Compression::uncompressed: return 0;
        case Compression::gzip: return asked.value_or(codec::kPlainGzipLevelDefault);
        case Compression::zstd: return asked.value_or(codec::kZstdLevelDefault);
        case Compression::estargz: break;
    }
    return asked.value_or(codec::kMemberLevelDefault);
}

Result<Compression> choose_compression(const CompressionChoice& choice) {
    Compression compression = choice.compression;
    const bool oci_only = compression == Compression::estargz || compression == Compression::zstd;
    if (!choice.oci_media_types && oci_only) {
        if (choice.given) {
            return fail(invalid(
                "oci-mediatypes=false: Docker's types know gzip and uncompressed layers only"));
        }
        compression = Compression::gzip;
    }
    const bool zstd = compression == Compression::zstd;
    const int lowest = zstd ? codec::kZstdLevelMin : codec::kMemberLevelMin;
    const int highest = zstd ? codec::kZstdLevelMax : codec::kMemberLevelMax;
    if (choice.level && (*choice.level < lowest || *choice.level > highest)) {
        return fail(invalid(fmt::format("compression-level={}: {} to {} for this compression",
                                        *choice.level, lowest, highest)));
    }
    return compression;
}

}  // namespace lazybuild::exporter
