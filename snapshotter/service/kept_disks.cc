// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/kept_disks.h"

#include <utility>
#include <vector>

#include "base/log.h"
#include "snapshotter/service/config.h"

namespace lazybuild::service {

Result<void> KeptDisks::connect() {
    if (client_ && client_->is_connected()) {
        return {};
    }
    client_.reset();
    TRY(client_, keeper::Client::connect(socket_));
    return {};
}

std::optional<fuse::Predecessor> KeptDisks::take(const std::string& directory) {
    if (socket_ == kNoKeeper) {
        return std::nullopt;
    }
    auto connected = connect();
    auto taken = connected ? client_->take(name_)
                           : Result<std::vector<Fd>>{fail(std::move(connected).error())};
    if (!taken) {
        log::warning("nobody keeps the disks: reads fail while this is restarted",
                     {{"keeper", socket_}, {"reason", taken.error().message}});
        return std::nullopt;
    }
    if (taken->size() != 2) {
        return std::nullopt;  // the first start
    }
    auto predecessor = fuse::Predecessor::examine(
        directory, {.device = std::move((*taken)[0]), .journal = std::move((*taken)[1])});
    if (!predecessor) {
        log::warning("what was kept is of no use: the disks are mounted anew",
                     {{"reason", predecessor.error().message}});
        return std::nullopt;
    }
    return *std::move(predecessor);
}

Result<void> KeptDisks::give() {
    CHECK_OK(connect());
    const int numbers[] = {handover_.device.get(), handover_.journal.get()};
    return client_->put(name_, numbers);
}

void KeptDisks::keep(fuse::Handover handover) {
    handover_ = std::move(handover);
    kept_ = socket_ != kNoKeeper && give().has_value();
}

bool KeptDisks::check() {
    if (socket_ == kNoKeeper || !handover_.device) {
        return false;
    }
    if (kept_ && client_ && client_->is_connected()) {
        return true;
    }
    if (kept_) {
        log::error("the keeper has gone: reads fail if this is restarted before it is back",
                   {{"keeper", socket_}});
    }
    kept_ = give().has_value();
    if (kept_) {
        log::info("the keeper has the disks again", {{"keeper", socket_}});
    }
    return kept_;
}

void KeptDisks::drop() {
    handover_ = {};
    kept_ = false;
    if (client_) {
        if (auto dropped = client_->drop(name_); !dropped) {
            log::warning("the keeper was not told to let go",
                         {{"reason", dropped.error().message}});
        }
    }
}

}  // namespace lazybuild::service
