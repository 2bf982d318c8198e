// SPDX-License-Identifier: Apache-2.0
// From header blocks to a TarEntry: which of several statements about one thing holds, and whether
// it makes sense. Part of the tar reader; not for other rooms.
#pragma once

#include <string>

#include "base/result.h"
#include "codec/tar.h"
#include "codec/tar_format.h"
#include "codec/tar_pax.h"

namespace lazybuild::codec {

/// What the extension headers in front of an entry said about it.
struct TarExtensions {
    PaxRecords pax;
    std::string gnu_path, gnu_link_path;
    bool any = false;
};

/// The entry without its offsets. GNU names stand over PAX records, and those over the header.
/// Errors: bad_message and over_limit as TarReader::next(); messages name the entry.
Result<TarEntry> make_tar_entry(const tar_format::Block& block, TarExtensions extensions);

}  // namespace lazybuild::codec
