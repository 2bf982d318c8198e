// SPDX-License-Identifier: Apache-2.0
// The gRPC server on its Unix socket.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"

namespace grpc {
class Server;
class Service;
}  // namespace grpc

namespace lazybuild::service {

class SocketServer {
  public:
    /// Serves `service`, which outlives this, at the socket `address`, an absolute path. Its
    /// directory is made (0711) when missing; the socket is for root alone (0600).
    /// A socket that nobody answers is replaced. Errors: address_in_use when somebody does;
    /// invalid_argument for an address that cannot be a socket's.
    static Result<std::unique_ptr<SocketServer>> listen(const std::string& address,
                                                        grpc::Service& service);
    SocketServer(const SocketServer&) = delete;
    SocketServer& operator=(const SocketServer&) = delete;
    /// Stops as stop() with no grace.
    ~SocketServer();

    /// Takes no more calls, gives those under way `grace` to end, then cancels them; returns when
    /// all have ended. Removes the socket.
    void stop(std::chrono::milliseconds grace);

  private:
    SocketServer(std::string address, std::unique_ptr<grpc::Server> server);

    std::string address_;
    std::unique_ptr<grpc::Server> server_;
};

}  // namespace lazybuild::service
