// SPDX-License-Identifier: Apache-2.0
#include "builder/export/blob_flights.h"

#include <utility>

namespace lazybuild::exporter {

BlobFlights::Turn::Turn(BlobFlights* flights, Key key) : flights_(flights), key_(std::move(key)) {
    if (flights_ != nullptr) {
        std::unique_lock lock(flights_->mutex_);
        flights_->ended_.wait(lock, [this] { return flights_->under_way_.insert(key_).second; });
    }
}

BlobFlights::Turn::~Turn() {
    if (flights_ != nullptr) {
        const std::lock_guard lock(flights_->mutex_);
        flights_->under_way_.erase(key_);
        flights_->ended_.notify_all();
    }
}

}  // namespace lazybuild::exporter
