// SPDX-License-Identifier: Apache-2.0
// The directory of one RUN, below the build's, and everything that is mounted in it:
//
//   root                 the step's root file system
//   upper, work          what it changes; on disk, because a layer is made of it
//   private/             a tmpfs: config.json, the runtime's state and log, secrets. Environment
//   and
//                        secrets never touch a disk.
//   <name>               whatever else is asked for
//
// Unmounts what it mounted, the last first, and removes itself. One thread.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "builder/layers/layer_store.h"

namespace lazybuild::exec {

class RunDirectory {
  public:
    /// `path` does not exist yet; its parent does. `store` outlives it.
    static Result<RunDirectory> make(const std::string& path, layers::LayerStore& store);
    RunDirectory(RunDirectory&& other) noexcept
        : path_(std::exchange(other.path_, {})),
          store_(other.store_),
          mounts_(std::exchange(other.mounts_, {})),
          kept_(std::exchange(other.kept_, {})),
          next_(other.next_) {}
    RunDirectory& operator=(RunDirectory&&) = delete;
    ~RunDirectory();

    const std::string& path() const { return path_; }
    std::string private_path() const { return path_ + "/private"; }

    /// A new directory in it (or in `below`), with a name of its own that begins with `name`.
    Result<std::string> directory(const std::string& name);
    Result<std::string> private_directory(const std::string& name);
    /// `target` has been mounted on, and is to be unmounted.
    void mounted(std::string target) { mounts_.push_back({.target = std::move(target)}); }

    /// `value` goes once all is unmounted: something mounted here needs it.
    void keep(std::shared_ptr<void> value) { kept_.push_back(std::move(value)); }

    /// Mounts a file system for a step. Errors: those of LayerStore::mount.
    struct View {
        std::string target;                 ///< an existing directory
        bool writable = false;              ///< what is written goes to `upper`, which is made
        std::string upper = {}, work = {};  ///< to be made; "" for some directories of this one
        bool devices = false;               ///< device nodes in it work
    };
    Result<void> mount_snapshot(const layers::Snapshot& snapshot, const View& view);

    /// Unmounts all, also what is private: files on disk stay.
    Result<void> unmount();
    /// Unmounts and removes all. The destructor does too, and can only log what fails.
    Result<void> close();

  private:
    RunDirectory(std::string path, layers::LayerStore& store)
        : path_(std::move(path)), store_(store) {}

    struct Mounted {
        std::string target;
        bool by_store = false;
    };
    std::string path_;  ///< "" once closed
    layers::LayerStore& store_;
    std::vector<Mounted> mounts_;
    std::vector<std::shared_ptr<void>> kept_;
    unsigned next_ = 0;
};

}  // namespace lazybuild::exec
