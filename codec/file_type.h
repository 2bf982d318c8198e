// SPDX-License-Identifier: Apache-2.0
// FileType as others write it: in st_mode (POSIX, <sys/stat.h>), and in words.
// Threads: any.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string_view>

#include "codec/file_tree.h"

namespace lazybuild::codec {

/// Of the type bits of `mode`; nullopt for a socket, which no layer holds, and for what is none.
std::optional<FileType> file_type_of(mode_t mode);

/// "file", "directory", "character device": for people.
std::string_view type_name(FileType type);

}  // namespace lazybuild::codec
