// SPDX-License-Identifier: Apache-2.0
// The text that the digest of a selection is over. Each file is a record: names and attributes that
// the copy keeps, and what its bytes hash to. Not for other rooms.
#pragma once

#include "builder/files/copy.h"

namespace lazybuild::files {

/// Which attributes a step overwrites, so that they make no difference (the umask of who checked
/// the sources out, for one).
struct Overwritten {
    bool mode = false;   ///< --chmod, whatever the mode was
    bool owner = false;  ///< --chown
};
/// Errors: invalid_argument for a --chmod that is none.
Result<Overwritten> overwritten_by(const graph::CopyStep& step);

/// Digests `selection` and fills in its digest, claimed and names.
void digest_selection(Selection& selection, const Overwritten& overwritten);

}  // namespace lazybuild::files
