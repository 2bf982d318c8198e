// SPDX-License-Identifier: Apache-2.0
// Loop devices: a file as a read-only block device, for kernels that mount EROFS from block devices
// only (before Linux 6.12).
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace lazybuild::fuse {

/// A file attached to a loop device. The device goes by itself when nobody has it open or mounted
/// any more, also when this process is killed.
class LoopDevice {
  public:
    /// Attaches `path`, a file whose size is a multiple of 4096, also one of a FUSE mount. It is
    /// read past the page cache where the file's file system can do that: what is mounted on the
    /// device caches the bytes anyway. Opens the file, so not on a FUSE server's threads.
    /// Errors name the path; no_such_file_or_directory where the kernel has no loop devices.
    static Result<LoopDevice> attach(const std::string& path);

    const std::string& path() const { return path_; }  ///< "/dev/loop7"
    /// How far the kernel reads ahead in what is mounted on it.
    Result<void> set_read_ahead(unsigned kib) const;

  private:
    LoopDevice(Fd device, std::string path) : device_(std::move(device)), path_(std::move(path)) {}
    Fd device_;
    std::string path_;
};

}  // namespace lazybuild::fuse
