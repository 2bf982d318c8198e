// SPDX-License-Identifier: Apache-2.0
// Any bytes as each of the OCI documents: no crash, and what was read and written again reads as
// the same. Also the path into serialisation with edits.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/assert.h"
#include "base/bytes.h"
#include "codec/oci_config.h"
#include "codec/oci_manifest.h"

namespace codec = lazybuild::codec;
using lazybuild::as_bytes;
using lazybuild::ByteView;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView text = std::as_bytes(std::span{data, size});
    if (auto manifest = codec::Manifest::parse(text, "")) {
        const std::string written = manifest->serialize();
        const auto again = codec::Manifest::parse(as_bytes(written), manifest->media_type);
        ASSERT(again && again->serialize() == written);
        ASSERT(written == manifest->original);
        manifest->use_oci_types();
        manifest->annotations["k"] = "v";
        const std::string edited = manifest->serialize();
        ASSERT(codec::Manifest::parse(as_bytes(edited), manifest->media_type));
    }
    if (auto index = codec::Index::parse(text, "")) {
        const std::string written = index->serialize();
        ASSERT(written == index->original);
        const auto again = codec::Index::parse(as_bytes(written), index->media_type);
        ASSERT(again && again->manifests.size() == index->manifests.size());
        codec::select_manifest(*index, codec::host_platform());
        index->use_oci_types();
        const std::string edited = index->serialize();
        ASSERT(codec::Index::parse(as_bytes(edited), index->media_type));
    }
    if (auto config = codec::ImageConfig::parse(text)) {
        ASSERT(config->serialize() == config->original);
        codec::chain_ids(config->diff_ids);
    }
    return 0;
}
