// SPDX-License-Identifier: Apache-2.0
// Places for mounts inside a step's file systems, made before anything of the step runs, and
// remembered, so that they do not stay in the layer.
//
// Everything is reached one component at a time from a descriptor of the tree's root; no symlink is
// followed and no mount is crossed. What has to follow symlinks does so before (layers::resolve),
// in the index of the layers.
//
// Threads: one at a time for each object; what is mounted is in the caller's mount namespace.
// Errors besides those said: errno, naming the path. Source: openat2(2), open_tree(2),
// move_mount(2).
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace lazybuild::exec {

class MountPoints {
  public:
    enum class Kind : std::uint8_t { file, directory };

    /// Of the tree that is mounted on `root`.
    static Result<MountPoints> open(const std::string& root);

    /// Makes sure that there is something at `path` (clean, relative): missing directories (0755)
    /// and the last component. Times of directories that were there stay as they were.
    /// Errors: not_a_directory, too_many_symbolic_link_levels, with the path.
    Result<void> make(std::string_view path, Kind kind);
    /// The same for what is to stay: it is not among made().
    Result<void> make_lasting(std::string_view path);

    /// What make() has made.
    const std::set<std::string>& made() const { return made_; }

  private:
    explicit MountPoints(Fd root) : root_(std::move(root)) {}
    Result<void> make(std::string_view path, Kind kind, bool lasting);

    Fd root_;
    std::set<std::string> made_;
};

/// What is at `path` (relative) in the tree mounted on `root`, with symlinks followed inside the
/// tree and magic links refused: an O_PATH descriptor.
Result<Fd> open_inside(const std::string& root, const std::string& path);

/// Mounts what `fd` is (open_tree, move_mount) on `target`, which is of the same kind and only ours
/// to change. Nothing that is mounted below comes along.
struct FdMount {
    bool read_only = false;
    bool devices = false;  ///< device nodes in it work
};
Result<void> mount_fd(int fd, const std::string& target, const FdMount& options);

}  // namespace lazybuild::exec
