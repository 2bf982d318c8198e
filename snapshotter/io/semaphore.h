// SPDX-License-Identifier: Apache-2.0
// A bounded number of permits for the coroutines of one reactor: how "at most 16 connections to
// this host" is written. First come, first served: a released permit goes to who has waited
// longest, and nobody who comes later can take it in between.
#pragma once

#include <cstddef>
#include <utility>

#include "base/result.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/waiter.h"

namespace lazybuild::io {

class Semaphore;

/// One permit, given back when this goes. Movable. Thread: the reactor's.
class [[nodiscard]] Permit {
  public:
    Permit() = default;
    Permit(Permit&& other) noexcept : semaphore_(std::exchange(other.semaphore_, nullptr)) {}
    Permit& operator=(Permit&& other) noexcept;
    ~Permit() { release(); }
    void release();
    explicit operator bool() const { return semaphore_ != nullptr; }

  private:
    friend class Semaphore;
    explicit Permit(Semaphore& semaphore) : semaphore_(&semaphore) {}
    Semaphore* semaphore_ = nullptr;
};

/// Thread: the reactor's. Outlives its permits and whoever waits for one.
class Semaphore {
  public:
    Semaphore(Reactor& reactor, std::size_t permits)
        : reactor_(reactor), permits_(permits), available_(permits) {}
    Semaphore(const Semaphore&) = delete;
    Semaphore& operator=(const Semaphore&) = delete;
    ~Semaphore();

    /// A permit, when one is free. Errors: as in wait.h.
    Task<Result<Permit>> acquire(Wait wait = {});
    /// A permit if one is free now; else an empty one.
    Permit try_acquire();
    std::size_t available() const { return available_; }

  private:
    friend class Permit;
    void release();
    Reactor& reactor_;
    WaiterQueue waiters_;
    const std::size_t permits_;
    std::size_t available_;
};

}  // namespace lazybuild::io
