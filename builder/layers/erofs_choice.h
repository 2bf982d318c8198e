// SPDX-License-Identifier: Apache-2.0
// How EROFS is mounted here: of files where the kernel can, else of loop devices. The first mount
// finds out; nothing is tried before it.
//
// Threads: any.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"
#include "fuse/mounts.h"

namespace lazybuild::layers {

class ErofsChoice {
  public:
    /// As fuse::mount_erofs. The Error is that of files when neither works.
    Result<void> mount(const std::string& image, const std::string& device,
                       const std::string& target);

  private:
    std::mutex mutex_;  // guards backing_
    std::optional<fuse::ErofsBacking> backing_;
};

}  // namespace lazybuild::layers
