// SPDX-License-Identifier: Apache-2.0
// Turns a FileTree into an EROFS metadata image: all attributes, names, links and xattrs, no file
// bytes. Every regular file is one extent of an external device, the layer's disk, at
// Node::disk_offset_bytes; the kernel reads it from there (mount option device=DISK).
//
// Equal trees and options give equal bytes. Format: erofs_format.h.
#pragma once

#include "base/result.h"
#include "base/stream.h"
#include "codec/digest.h"
#include "codec/file_tree.h"

namespace lazybuild::codec {

struct ErofsOptions {
    /// Where the image's UUID comes from; say what identifies the layer.
    Digest identity;
    /// Opaque directories carry user.overlay.opaque instead of trusted.overlay.opaque, for
    /// overlayfs mounts with the userxattr option.
    bool user_xattrs = false;
};

/// Writes the image of `tree`, whose disk offsets are assigned, into `out`, in order, once.
/// Only what the root reaches is written. The image always names one device, even when
/// tree.disk_size_bytes is 0.
///
/// Left out, because no Linux file system could hold them either: xattrs whose name is neither
/// user.*, trusted.*, security.* nor a POSIX ACL.
///
/// Memory: about 20 bytes for each node, and half a mebibyte; never recursive.
/// Errors: over_limit for what the format cannot say (a disk of 16 TiB, a file of more than 8 TiB,
/// an xattr value above 65535 bytes, a device number above 12:20 bits); invalid for a tree that is
/// none (a directory with two parents, unsorted or impossible names, a file outside the disk).
/// Messages name the entry. Otherwise those of `out`.
Result<void> write_erofs(const FileTree& tree, const ErofsOptions& options, ByteSink& out);

}  // namespace lazybuild::codec
