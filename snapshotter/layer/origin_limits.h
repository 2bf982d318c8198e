// SPDX-License-Identifier: Apache-2.0
// How much may be under way to one origin at a time: on-demand requests, and layers being filled.
// Each host has permits of its own, so that a registry that accepts and says no more takes only
// its own layers' permits, and no others' reads wait behind it.
//
// What has come keeps its permit until it has been decoded, which bounds memory too.
// Thread: the reactor's. Outlives its permits and whoever waits for one.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/semaphore.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::layer {

/// More hosts than this share one set of permits.
inline constexpr std::size_t kLimitedHostsMax = 256;

class OriginLimits {
  public:
    OriginLimits(io::Reactor& reactor, std::size_t fetches_max, std::size_t fills_max)
        : reactor_(reactor), fetches_max_(fetches_max), fills_max_(fills_max) {}

    /// `host` as in store::Origin; local origins have none. Errors: as in wait.h.
    io::Task<Result<io::Permit>> fetch(std::string host, io::Wait wait);
    io::Task<Result<io::Permit>> fill(std::string host, io::Wait wait);

  private:
    struct Host {
        Host(io::Reactor& reactor, std::size_t fetches_max, std::size_t fills_max)
            : fetches(reactor, fetches_max), fills(reactor, fills_max) {}
        io::Semaphore fetches;
        io::Semaphore fills;
    };
    Host& of(const std::string& host);

    io::Reactor& reactor_;
    const std::size_t fetches_max_;
    const std::size_t fills_max_;
    std::map<std::string, std::unique_ptr<Host>> hosts_;
};

}  // namespace lazybuild::layer
