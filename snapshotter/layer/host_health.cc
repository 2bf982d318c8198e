// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/host_health.h"

#include <algorithm>

namespace lazybuild::layer {

bool HostHealth::ailing(const std::string& host, Now now) const {
    const std::lock_guard lock(mutex_);
    const auto known = ailing_.find(host);
    return known != ailing_.end() && now < known->second.until;
}

void HostHealth::begins(const std::string& host, Now now) {
    const std::lock_guard lock(mutex_);
    const auto known = ailing_.find(host);
    if (known != ailing_.end() && known->second.until <= now) {
        known->second.alone = std::min(known->second.alone * 2, kAloneMax);
        known->second.until = now + known->second.alone;
    }
}

// Requests that were under way when the first one failed say nothing new.
void HostHealth::failed(const std::string& host, Now now) {
    const std::lock_guard lock(mutex_);
    if (const auto known = ailing_.find(host); known != ailing_.end()) {
        known->second.until = std::max(known->second.until, now + known->second.alone);
    } else if (ailing_.size() < kAilingHostsMax) {
        ailing_.emplace(host, Ailing{.alone = kAloneFirst, .until = now + kAloneFirst});
    }
}

void HostHealth::answered(const std::string& host) {
    const std::lock_guard lock(mutex_);
    ailing_.erase(host);
}

io::Wait patient(const io::Wait& wait) {
    const io::Deadline now = io::Clock::now();
    io::Wait shorter = wait;
    shorter.deadline = std::min(wait.deadline, now + kOriginPatience);
    if (wait.deadline != io::kNoDeadline) {
        shorter.deadline = std::min(shorter.deadline, now + (wait.deadline - now) / 2);
    }
    return shorter;
}

}  // namespace lazybuild::layer
