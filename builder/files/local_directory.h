// SPDX-License-Identifier: Apache-2.0
// System calls on a directory of the host that somebody else may be writing to: names are opened
// below one descriptor, no symlink and no link of /proc is ever followed, and what is no regular
// file is never opened for reading. Not for other rooms.
//
// Threads: any, any number at once.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "codec/file_tree.h"

namespace lazybuild::files {

class LocalDirectory {
  public:
    /// `path` itself may be a symlink. Errors: errno, naming it.
    static Result<LocalDirectory> open(const std::string& path);

    /// nullopt when there is nothing, or a file or symlink on the way.
    Result<std::optional<struct stat>> status(const std::string& path) const;
    struct Child {
        std::string name;
        struct stat status;
    };
    /// What is in a directory, in no order.
    Result<std::vector<Child>> children(const std::string& path) const;
    Result<std::string> link_target(const std::string& path) const;
    /// user.*, security.capability and POSIX ACLs of a regular file or directory, sorted.
    Result<std::vector<codec::Xattr>> xattrs(const std::string& path) const;
    /// A regular file, for reading.
    struct Opened {
        Fd file;
        struct stat status;
    };
    Result<Opened> open_regular(const std::string& path) const;

    const struct stat& root_status() const { return root_status_; }

  private:
    Result<std::optional<Fd>> open_beneath(const std::string& path, int flags) const;
    Error failure(const std::string& path) const;

    std::string name_;
    Fd root_;
    struct stat root_status_{};
};

}  // namespace lazybuild::files
