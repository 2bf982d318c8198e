// SPDX-License-Identifier: Apache-2.0
// One running build's directory below <root>/builds, locked by its process, gone when the build
// ends. What builds have left that were killed is removed when the next one makes its own.
//
//   <root>/builds/<name>/lock   held (flock) by the build's process
//                       /...    whatever rooms put there: mount points, upper directories, layers
//                               in the making
//   <root>/builds/lock          held for moments by who makes or removes a directory
//
// Threads: any. Processes: any number of them in one root.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "builder/layers/layer_store.h"

namespace lazybuild::layers {

class BuildDirectory {
  public:
    /// A new directory, after what is stale has been removed (or logged, when that fails).
    static Result<BuildDirectory> create(const std::string& root);

    BuildDirectory(BuildDirectory&&) noexcept = default;
    BuildDirectory& operator=(BuildDirectory&&) = delete;
    /// Removes it; what cannot be removed is logged, and the next build's to sweep.
    ~BuildDirectory();

    /// Of all that are there.
    static Result<std::vector<BuildUsage>> usage(const std::string& root);

    /// Absolute, without symbolic links.
    const std::string& path() const { return path_; }

  private:
    BuildDirectory(std::string path, Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
    std::string path_;
    Fd lock_;
};

}  // namespace lazybuild::layers
