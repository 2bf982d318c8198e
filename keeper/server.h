// SPDX-License-Identifier: Apache-2.0
// The keeper: holds descriptors for other processes, under names, so that what they refer to
// outlives the process that made them. It knows nothing of what they are and never reads or writes
// one; so it has no reason to end, and no reason to be changed when its clients are.
//
// One thread; every client is served at once or thrown out, so that none can hold it up.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "keeper/message.h"

namespace lazybuild::keeper {

inline constexpr std::size_t kClientsMax = 16;
inline constexpr std::size_t kNamesMax = 64;

class Server {
  public:
    /// Listens at `path`, for root (and whoever runs this) alone: 0600, and credentials are looked
    /// at. Errors: address_in_use; those of the system.
    static Result<std::unique_ptr<Server>> listen(const std::string& path);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    /// Removes the socket, closes what is kept.
    ~Server();

    /// Serves until `stop` becomes readable. Errors: what it cannot go on after.
    Result<void> run(int stop);

  private:
    Server(std::string path, Fd listener);
    void accept_client();
    bool serve_client(int socket);
    Result<void> answer(int socket, Message question);
    int put(Message question);

    const std::string path_;
    Fd listener_;
    std::vector<Fd> clients_;
    std::map<std::string, std::vector<Fd>> kept_;
};

}  // namespace lazybuild::keeper
