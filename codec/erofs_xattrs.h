// SPDX-License-Identifier: Apache-2.0
// The inline xattr area of an EROFS inode. Part of the EROFS writer.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "codec/file_tree.h"

namespace lazybuild::codec::erofs {

/// The bytes that stand behind the inode, a multiple of 4; none for a node without xattrs.
/// An opaque directory gets its overlayfs mark, under user.* when `user_xattrs`.
/// Names that EROFS has no prefix for are left out.
/// Errors: over_limit.
Result<Bytes> encode_xattrs(const Node& node, bool user_xattrs);

/// The xattrs in such bytes, overlayfs's mark included. Errors: bad_message.
Result<std::vector<Xattr>> decode_xattrs(ByteView area);

}  // namespace lazybuild::codec::erofs
