// SPDX-License-Identifier: Apache-2.0
// Whether a FileTree that came from outside is one: what FileTreeBuilder makes true by the way it
// builds, looked at afterwards. Not for other rooms.
#pragma once

#include "base/result.h"
#include "codec/file_tree.h"

namespace lazybuild::codec {

/// `tree` has nodes, its entries name nodes that are there, its chunk runs lie in its chunks.
/// Errors: bad_message for a directory with two names or a node with none, names that are out of
/// order or impossible, wrong link counts, chunks that do not cover their file, a file outside the
/// disk, attributes out of range; over_limit for a path of more than kPathBytesMax.
Result<void> check_tree(const FileTree& tree);

}  // namespace lazybuild::codec
