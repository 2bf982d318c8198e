// SPDX-License-Identifier: Apache-2.0
// What is kept of a layer's table of contents where one metadata image is not enough: the layer
// looks otherwise as a first layer, or over other layers (codec/chain_tree.h). Other layers have no
// such file. From it and from the layers below, an image can be made again at any time, without the
// network.
//
// Format, little-endian: "LZBTOC" and two zeros, version u32, flags u16 (1 bare directories,
// 2 whiteouts), number of the layer's format u16 (65535: none), the index's offset in the blob u64,
// then the index as the blob has it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/layer_format.h"

namespace lazybuild::store {

struct KeptToc {
    bool bare_directories = false;  ///< over other layers, attributes come from below
    bool whiteouts = false;         ///< as a first layer, it hides nothing
    /// Null: the blob has none; the layer's tree is kept instead (read_layer_index).
    const codec::LayerFormat* format = nullptr;
    std::uint64_t toc_offset_bytes = 0;
};

/// Writes the file into a layer's directory that is being staged.
Result<void> write_kept_toc(const std::string& layer_directory, const KeptToc& toc, ByteView index);

/// nullopt when the layer needs none. Errors: bad_message.
Result<std::optional<KeptToc>> find_kept_toc(const std::string& layer_directory);

/// Errors: also no_such_file_or_directory.
Result<Bytes> read_kept_index(const std::string& layer_directory);

}  // namespace lazybuild::store
