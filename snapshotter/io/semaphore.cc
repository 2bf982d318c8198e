// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/semaphore.h"

#include "base/assert.h"

namespace lazybuild::io {

Permit& Permit::operator=(Permit&& other) noexcept {
    if (this != &other) {
        release();
        semaphore_ = std::exchange(other.semaphore_, nullptr);
    }
    return *this;
}

void Permit::release() {
    if (semaphore_ != nullptr) {
        std::exchange(semaphore_, nullptr)->release();
    }
}

Semaphore::~Semaphore() {
    ASSERT(waiters_.empty() && available_ == permits_);
}

Task<Result<Permit>> Semaphore::acquire(Wait wait) {
    const bool is_free = available_ > 0;
    const int end = co_await QueueWaiter(reactor_, waiters_, wait, is_free);
    if (end != 0) {
        co_return fail(wait_error("wait for a permit", end));
    }
    if (is_free) {
        --available_;
    }
    // Else release() has handed its permit over without counting it as available.
    co_return Permit(*this);
}

Permit Semaphore::try_acquire() {
    if (available_ == 0) {
        return Permit();
    }
    --available_;
    return Permit(*this);
}

void Semaphore::release() {
    if (waiters_.empty()) {
        ASSERT(available_ < permits_);
        ++available_;
    } else {
        QueueWaiter::wake_first(waiters_);
    }
}

}  // namespace lazybuild::io
