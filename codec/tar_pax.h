// SPDX-License-Identifier: Apache-2.0
// PAX records, "27 mtime=1350244992.023960\n": what a ustar header cannot say about the entry that
// follows. Shared by the tar reader and writer; not for other rooms.
//
// Source: POSIX.1-2017 pax, "pax Extended Header". Xattrs are star's SCHILY.xattr.* records, the
// only kind that containerd sets; bsdtar writes the same ones again as LIBARCHIVE.xattr.*.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/file_tree.h"

namespace lazybuild::codec {

/// What the records of one extension header say. An absent or empty value leaves the header's.
struct PaxRecords {
    std::string path, link_path, user_name, group_name;
    std::optional<std::int64_t> uid, gid, size_bytes, mtime_s;
    std::vector<Xattr> xattrs;  ///< sorted by name
    bool sparse = false;        ///< GNU.sparse.*: the payload is not the file
};

/// Errors: bad_message for what is not a list of records, or a number that is none; over_limit past
/// kXattrBytesMax.
Result<PaxRecords> parse_pax_records(std::string_view text);

/// Appends one record. `key` holds no '=' and no NUL.
void append_pax_record(std::string& text, std::string_view key, std::string_view value);

inline constexpr std::string_view kPaxXattrPrefix = "SCHILY.xattr.";

}  // namespace lazybuild::codec
