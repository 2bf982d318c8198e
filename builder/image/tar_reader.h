// SPDX-License-Identifier: Apache-2.0
// libarchive, set up for the archives that are taken from users: tar as it is, or compressed with
// gzip, bzip2, xz or zstd.
#pragma once

#include <memory>

#include "base/error.h"

struct archive;  // <archive.h>

namespace lazybuild::image {

struct FreeArchive {
    void operator()(archive* reader) const;
};
using TarReader = std::unique_ptr<archive, FreeArchive>;

/// Not open yet; never null.
TarReader new_tar_reader();
/// bad_message, with what `reader` says of its last failure.
Error archive_error(archive* reader);

}  // namespace lazybuild::image
