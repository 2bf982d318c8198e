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
    /// A directory to ask for xattrs in; nullopt when there is none.
    Result<std::optional<Fd>> directory(const std::string& path) const;
    /// user.*, security.capability and POSIX ACLs of a regular file or directory, sorted. `name`:
    /// what it is called in `parent`; "" is the directory itself.
    Result<std::vector<codec::Xattr>> xattrs(const Fd& parent, std::string_view name) const;
    /// For reading, what was a regular file when it was looked at. It may be another one by now:
    /// whoever reads it asks for its status afterwards, and believes the bytes if that is the same.
    /// Errors: bad_message for what is no regular file any more, which is not opened; errno.
    Result<Fd> open_seen(const std::string& path) const;
    Result<struct stat> status_of(const Fd& file, const std::string& path) const;

    const struct stat& root_status() const { return root_status_; }

  private:
    Result<std::optional<Fd>> open_beneath(const std::string& path, int flags) const;
    Error failure(const std::string& path) const;

    std::string name_;
    Fd root_;
    Fd descriptors_;  // /proc/self/fd: a shorter way there for each file
    struct stat root_status_{};
};

}  // namespace lazybuild::files
