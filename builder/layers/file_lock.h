// SPDX-License-Identifier: Apache-2.0
// flock(2), which goes with its process however that ends. Several shared holders, or one exclusive
// one; two of one process are two holders.
//
// Threads: any. Errors besides those said: errno, naming the path.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace lazybuild::layers {

class FileLock {
  public:
    /// Makes the file when it is missing. Waits for holders, which have it for moments only;
    /// timed_out after a minute.
    static Result<FileLock> exclusive(const std::string& path);
    static Result<FileLock> shared(const std::string& path);
    /// nullopt when somebody else holds it. Of a file or directory that is there.
    static Result<std::optional<FileLock>> try_exclusive(const std::string& path);
    static Result<std::optional<FileLock>> try_shared(const std::string& path);

    int fd() const { return fd_.get(); }
    /// The lock goes with the descriptor.
    Fd take() && { return std::move(fd_); }

  private:
    explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
    static Result<std::optional<FileLock>> attempt(Fd file, int operation, const std::string& path);
    static Result<FileLock> wait(const std::string& path, int operation);
    Fd fd_;
};

}  // namespace lazybuild::layers
