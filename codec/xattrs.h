// SPDX-License-Identifier: Apache-2.0
// Sets of extended attributes: order and size. Which of them a layer may set is FileTreeBuilder's
// matter. Not for other rooms.
#pragma once

#include <cstddef>
#include <vector>

#include "codec/file_tree.h"

namespace lazybuild::codec {

/// Sorts by name; of several with one name the last stays.
void sort_xattrs(std::vector<Xattr>& xattrs);

/// Bytes of all names and values, which kXattrBytesMax limits.
std::size_t xattr_bytes(const std::vector<Xattr>& xattrs);

/// Bytes of all text of an entry, which kLayerTextBytesMax limits for a layer.
std::size_t text_bytes(const LayerEntry& entry);

}  // namespace lazybuild::codec
