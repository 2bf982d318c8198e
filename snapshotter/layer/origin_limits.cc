// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/origin_limits.h"

#include <utility>

namespace lazybuild::layer {

io::Task<Result<io::Permit>> OriginLimits::fetch(std::string host, io::Wait wait) {
    co_return co_await of(host).fetches.acquire(std::move(wait));
}

io::Task<Result<io::Permit>> OriginLimits::fill(std::string host, io::Wait wait) {
    co_return co_await of(host).fills.acquire(std::move(wait));
}

OriginLimits::Host& OriginLimits::of(const std::string& host) {
    const bool is_known = hosts_.contains(host);
    std::unique_ptr<Host>& found =
        hosts_[is_known || hosts_.size() < kLimitedHostsMax ? host : std::string{}];
    if (found == nullptr) {
        found = std::make_unique<Host>(reactor_, fetches_max_, fills_max_);
    }
    return *found;
}

}  // namespace lazybuild::layer
