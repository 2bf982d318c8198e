// SPDX-License-Identifier: Apache-2.0
// Layers become durable beside the build, not before its next step. Until then a layer has a file
// `boot` that names the boot in which it was made: what a process wrote in this boot is there for
// all others, whoever was killed; after another boot the layer is as if it were not there.
//
// Threads: any. One thread of its own, which is made when there is something to do.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "base/result.h"

namespace lazybuild::layers {

class LayerSettler {
  public:
    LayerSettler() = default;
    LayerSettler(const LayerSettler&) = delete;
    LayerSettler& operator=(const LayerSettler&) = delete;
    /// Returns when all that was added is durable; what cannot be is logged.
    ~LayerSettler();

    /// Marks a layer in the making as one of this boot. Errors: errno, naming the file.
    static Result<void> mark(const std::string& directory);
    enum class State {
        durable,
        here,  ///< for this boot: somebody should add() it
        lost,  ///< of another boot: it may hold anything
    };
    static State state_of(const std::string& directory);
    /// Removes a layer that is lost, unless somebody else is at it.
    static Result<void> remove_lost(const std::string& directory);

    /// The layer in `directory` is to become durable. That it goes meanwhile is fine.
    void add(std::string directory);

  private:
    void work();

    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::deque<std::string> waiting_;
    std::set<std::string> queued_;  ///< the same
    bool closing_ = false;
    std::thread thread_;
};

}  // namespace lazybuild::layers
