// SPDX-License-Identifier: Apache-2.0
// Whole files and directories: open, read with a limit, replace atomically, remove.
// Errors name the path. Paths are used as given; nothing here follows a link that it was not told
// to.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace lazybuild {

/// open(2) with O_CLOEXEC; the Error names the path.
Result<Fd> open_file(const std::string& path, int flags, unsigned mode = 0644);

/// The whole file; more than `limit_bytes` is an Error (over_limit).
Result<std::string> read_file(const std::string& path, std::uint64_t limit_bytes);

/// Writes `path` so that a crash leaves the old or the new content, never a mixture:
/// temporary file beside it, fsync, rename, fsync of the directory.
Result<void> replace_file(const std::string& path, ByteView content, unsigned mode = 0644);

/// mkdir -p. An existing directory is fine.
Result<void> make_directories(const std::string& path, unsigned mode = 0755);

/// rm -rf, which does not cross into other mounts. A missing path is fine.
Result<void> remove_tree(const std::string& path);

/// An unlinked temporary file in `directory` (O_TMPFILE), gone when closed.
Result<Fd> open_temporary(const std::string& directory);

/// fsync of a directory, so that a rename or creation inside it survives a crash.
Result<void> sync_directory(const std::string& path);

}  // namespace lazybuild
