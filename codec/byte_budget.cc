// SPDX-License-Identifier: Apache-2.0
#include "codec/byte_budget.h"

namespace lazybuild::codec {

void ByteBudget::take(std::uint64_t size_bytes, const std::function<bool()>& must_wait) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this, size_bytes, &must_wait] {
        return taken_bytes_ + size_bytes <= bytes_max_ || !must_wait();
    });
    taken_bytes_ += size_bytes;
}

void ByteBudget::give_back(std::uint64_t size_bytes) {
    const std::lock_guard lock(mutex_);
    taken_bytes_ -= size_bytes;
    changed_.notify_all();
}

void ByteBudget::wake() {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
}

}  // namespace lazybuild::codec
