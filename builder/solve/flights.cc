// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/flights.h"

namespace lazybuild::solve {

std::optional<Made> Flights::find(const codec::Digest& key) {
    const std::lock_guard lock(mutex_);
    const auto found = made_.find(key);
    return found == made_.end() ? std::nullopt : std::optional(found->second);
}

void Flights::put(const codec::Digest& key, const Made& made) {
    const std::lock_guard lock(mutex_);
    made_[key] = made;
}

void Flights::forget(const codec::Digest& key) {
    const std::lock_guard lock(mutex_);
    made_.erase(key);
}

Result<Made> Flights::run(const codec::Digest& key, const std::function<Result<Made>()>& work) {
    std::shared_ptr<Flight> flight;
    {
        std::unique_lock lock(mutex_);
        if (const auto found = made_.find(key); found != made_.end()) {
            return found->second;
        }
        if (const auto found = flying_.find(key); found != flying_.end()) {
            flight = found->second;
            landed_.wait(lock, [&] { return flight->result.has_value(); });
            return *flight->result;
        }
        flight = std::make_shared<Flight>();
        flying_.emplace(key, flight);
    }
    Result<Made> result = work();
    const std::lock_guard lock(mutex_);
    if (result) {
        made_[key] = *result;
    }
    flying_.erase(key);
    flight->result = result;
    landed_.notify_all();
    return result;
}

}  // namespace lazybuild::solve
