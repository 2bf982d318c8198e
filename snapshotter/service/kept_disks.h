// SPDX-License-Identifier: Apache-2.0
// The daemon's side of the keeper: the disks' FUSE connection is given to it, so that it outlives
// the daemon, and taken from it at the next start. Without a keeper everything works, but whoever
// reads while the daemon is restarted gets errors; the log says so.
//
// Threads: one, the daemon's main.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "fuse/disk_server.h"
#include "keeper/client.h"

namespace lazybuild::service {

class KeptDisks {
  public:
    /// `socket` is the keeper's, or kNoKeeper (config.h); what is kept is kept under `name`.
    KeptDisks(std::string socket, std::string name)
        : socket_(std::move(socket)), name_(std::move(name)) {}

    /// What a predecessor served at `directory`, if it can be gone on with. Logs why not.
    std::optional<fuse::Predecessor> take(const std::string& directory);

    /// From now on these are to be kept, also by a keeper that comes back. Logs when there is none.
    void keep(fuse::Handover handover);

    /// Notices that the keeper has gone, and gives a new one what it is to keep: to be called every
    /// now and then. Returns whether it is kept now. Does not wait for a keeper that is not there.
    bool check();

    /// Nothing is to be kept any more; the connection ends with the daemon's own descriptors.
    void drop();

  private:
    Result<void> connect();
    Result<void> give();

    const std::string socket_;
    const std::string name_;
    std::optional<keeper::Client> client_;
    fuse::Handover handover_;
    bool kept_ = false;
};

}  // namespace lazybuild::service
