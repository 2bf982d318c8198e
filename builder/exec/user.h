// SPDX-License-Identifier: Apache-2.0
// Whom a command runs as: USER's text, looked up in the image's own etc/passwd and etc/group.
//
// The files are read through a FileSource: a symlink in the image leads nowhere outside it, and
// neither a FIFO nor a file without end holds anybody up. Threads: as `files`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/layers/file_source.h"

namespace lazybuild::exec {

struct User {
    std::uint32_t uid = 0, gid = 0;
    std::vector<std::uint32_t> groups;  ///< supplementary ones, `gid` among them
};

inline constexpr std::uint64_t kUserFileBytesMax = 10 << 20;

/// "name", "uid", each with ":group" or ":gid"; "" is root. A name alone has its primary group and
/// those that list it; a number that has no entry has group 0. As runc's user.GetExecUser.
/// Errors: invalid_argument for a name that is not there, over_limit for a larger file.
Result<User> find_user(const std::string& text, layers::FileSource& files);

}  // namespace lazybuild::exec
