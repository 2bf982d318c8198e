// SPDX-License-Identifier: Apache-2.0
// Which registries have not answered lately, so that of several ways to a blob the others are taken
// first: a registry that is silent costs one timeout and not one for each layer.
//
// After a failure a host is left alone for a few seconds, after each further one twice as long.
// Then one request finds out how it is; until that has ended the host counts as it was. Nothing is
// refused here: where there is no other way, a host is asked all the same.
// Threads: any.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/registry/failure.h"

namespace lazybuild::layer {

/// How long to wait for a host while there are others that have not been asked.
inline constexpr std::chrono::seconds kOriginPatience{10};
inline constexpr std::chrono::milliseconds kAloneFirst{5'000};
inline constexpr std::chrono::milliseconds kAloneMax{60'000};
/// Beyond so many, no more are remembered.
inline constexpr std::size_t kAilingHostsMax = 1024;

class HostHealth {
  public:
    using Now = io::Deadline;

    /// Whether others are to be asked first.
    bool ailing(const std::string& host, Now now = io::Clock::now()) const;
    /// A request to the host begins: whoever comes while it is under way goes elsewhere.
    void begins(const std::string& host, Now now = io::Clock::now());
    void failed(const std::string& host, Now now = io::Clock::now());
    void answered(const std::string& host);

  private:
    struct Ailing {
        std::chrono::milliseconds alone;
        Now until;
    };
    mutable std::mutex mutex_;  // guards ailing_
    std::map<std::string, Ailing> ailing_;
};

/// `wait` for a host that is not the last one: kOriginPatience, and half of the time there is.
io::Wait patient(const io::Wait& wait);

/// Ways in their order, those by ailing hosts last. `host_of`: a way's host, "" for files.
template <class Way, class HostOf>
std::vector<Way> ailing_last(const HostHealth& health, const std::vector<Way>& ways,
                             HostOf host_of) {
    std::vector<Way> order;
    std::vector<Way> last;
    for (const Way& way : ways) {
        (health.ailing(host_of(way)) ? last : order).push_back(way);
    }
    order.insert(order.end(), last.begin(), last.end());
    return order;
}

/// Tells `health` how a request ended. One that was cancelled says nothing of its host.
template <class T>
void note(HostHealth& health, const std::string& host, const Result<T>& result) {
    if (!result && result.error().code == std::errc::operation_canceled) {
        return;
    }
    if (result || !registry::is_passing(result.error())) {
        health.answered(host);
    } else {
        health.failed(host);
    }
}

}  // namespace lazybuild::layer
