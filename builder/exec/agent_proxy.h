// SPDX-License-Identifier: Apache-2.0
// An SSH agent for one step (RUN --mount=type=ssh): a socket of our own, whose connections are
// passed on to the user's agent one by one. The step never has the agent's own socket, and loses
// the agent when it ends.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace lazybuild::exec {

class AgentProxy {
  public:
    struct Options {
        std::string agent;   ///< path of the user's socket
        std::string socket;  ///< where ours is made
        unsigned mode = 0600, uid = 0, gid = 0;
    };
    /// Listens from then on, on a thread of its own. Errors: errno, naming the socket. An agent
    /// that goes away later ends the connections that need it. Threads: any.
    static Result<std::unique_ptr<AgentProxy>> start(const Options& options);
    /// Ends all connections.
    virtual ~AgentProxy() = default;
};

}  // namespace lazybuild::exec
