// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/event.h"

#include "base/assert.h"

namespace lazybuild::io {

Event::~Event() {
    ASSERT(waiters_.empty());
}

void Event::set() {
    set_ = true;
    while (!waiters_.empty()) {
        QueueWaiter::wake_first(waiters_);
    }
}

Task<Result<void>> Event::wait(Wait wait) {
    const int end = co_await QueueWaiter(reactor_, waiters_, wait, set_);
    if (end != 0) {
        co_return fail(wait_error("wait for an event", end));
    }
    co_return {};
}

}  // namespace lazybuild::io
