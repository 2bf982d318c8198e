// SPDX-License-Identifier: Apache-2.0
#include "codec/file_type.h"

#include <sys/stat.h>

namespace lazybuild::codec {

std::optional<FileType> file_type_of(mode_t mode) {
    switch (mode & S_IFMT) {
        case S_IFREG: return FileType::regular;
        case S_IFDIR: return FileType::directory;
        case S_IFLNK: return FileType::symlink;
        case S_IFCHR: return FileType::character;
        case S_IFBLK: return FileType::block;
        case S_IFIFO: return FileType::fifo;
        default: return std::nullopt;
    }
}

std::string_view type_name(FileType type) {
    switch (type) {
        case FileType::regular: return "file";
        case FileType::directory: return "directory";
        case FileType::symlink: return "symlink";
        case FileType::character: return "character device";
        case FileType::block: return "block device";
        case FileType::fifo: return "fifo";
    }
    return "unknown";
}

}  // namespace lazybuild::codec
