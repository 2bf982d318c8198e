// SPDX-License-Identifier: Apache-2.0
// How EROFS is mounted here, found out by mounting when it is first needed: a build that mounts
// nothing does not pay for it.
//
// Threads: any.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "fuse/host_support.h"

namespace lazybuild::layers {

class ErofsChoice {
  public:
    /// `root`: on the file system that images are mounted from.
    explicit ErofsChoice(std::string root) : root_(std::move(root)) {}

    Result<fuse::ErofsBacking> backing() {
        const std::lock_guard lock(mutex_);
        if (!backing_) {
            TRY(backing_, fuse::choose_erofs_backing(root_, std::nullopt));
        }
        return *backing_;
    }

  private:
    const std::string root_;
    std::mutex mutex_;  // guards backing_
    std::optional<fuse::ErofsBacking> backing_;
};

}  // namespace lazybuild::layers
