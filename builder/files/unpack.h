// SPDX-License-Identifier: Apache-2.0
// Archives as files of a PlannedTree. Nothing of an archive becomes a path of the host: names are
// text, resolved inside the tree, and bytes are kept in one file without a name. Not for other
// rooms.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/stream.h"
#include "builder/files/copy.h"
#include "builder/files/planned_tree.h"

namespace lazybuild::files {

/// Whether a regular file is an archive that ADD unpacks: a tar, plain or compressed, whose first
/// header can be read. Errors: those of `source`.
Result<bool> is_archive(layers::FileSource& source, const std::string& path);

struct UnpackOptions {
    std::string directory;       ///< in the tree, where it is put; no symlinks in it
    std::optional<Owner> owner;  ///< of everything, whatever the archive says
    std::string spool;           ///< an existing directory for the bytes; "": $TMPDIR, or /var/tmp
};
/// Puts all that `archive` holds into `tree`, in its order, over what is there; what the tree holds
/// is not opened. Names that lead out of options.directory are an Error; symlinks on the way are
/// followed inside the tree.
/// Errors: bad_message, naming the entry; over_limit; errno of the spool.
Result<void> unpack_archive(ByteSource& archive, PlannedTree& tree, const UnpackOptions& options);

}  // namespace lazybuild::files
