// SPDX-License-Identifier: Apache-2.0
// A temporary file that has no name, or one that goes with it, and that may be given its final name
// once it is complete: how a directory never shows half of a blob.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace lazybuild::image {

/// Movable; gone when destroyed, unless published. Threads: one at a time.
class SpoolFile {
  public:
    /// In `directory`, read and write. Errors: errno, naming the directory.
    static Result<SpoolFile> create(const std::string& directory);
    SpoolFile(SpoolFile&& other) noexcept;
    SpoolFile& operator=(SpoolFile&& other) noexcept;
    ~SpoolFile() { discard(); }

    int fd() const { return file_.get(); }

    /// On disk, then named `path`, which is in the same file system. A `path` that exists stays as
    /// it is: it is for names that say what is in the file. Errors: errno, naming `path`.
    Result<void> publish(const std::string& path);

  private:
    SpoolFile(Fd file, std::string name) : file_(std::move(file)), name_(std::move(name)) {}
    void discard();

    Fd file_;
    std::string name_;  ///< where the file system has no O_TMPFILE; else ""
};

}  // namespace lazybuild::image
