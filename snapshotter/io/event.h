// SPDX-License-Identifier: Apache-2.0
// An event that coroutines of one reactor wait for. It stays set until it is reset.
#pragma once

#include "base/result.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/waiter.h"

namespace lazybuild::io {

/// Thread: the reactor's. Nobody may wait for it when it is destroyed.
class Event {
  public:
    explicit Event(Reactor& reactor) : reactor_(reactor) {}
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    ~Event();

    /// Everyone who waits goes on, in the order they came, even if it is reset before they run.
    void set();
    void reset() { set_ = false; }
    bool is_set() const { return set_; }

    /// Until the event is set; at once when it is. Errors: as in wait.h.
    Task<Result<void>> wait(Wait wait = {});

  private:
    Reactor& reactor_;
    WaiterQueue waiters_;
    bool set_ = false;
};

}  // namespace lazybuild::io
