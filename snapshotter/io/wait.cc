// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/wait.h"

#include <cerrno>

#include "snapshotter/io/waiter.h"

namespace lazybuild::io {

bool CancelToken::cancelled() const {
    return state_ != nullptr && state_->cancelled.load(std::memory_order_acquire);
}

CancelSource::CancelSource() : state_(std::make_shared<CancelState>()) {}

void CancelSource::cancel() {
    state_->cancelled.store(true, std::memory_order_release);
    while (!state_->waiters.empty()) {
        state_->waiters.front().end_early(ECANCELED);  // leaves the list
    }
}

}  // namespace lazybuild::io
