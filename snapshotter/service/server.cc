// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/server.h"

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "base/unix_socket.h"

namespace lazybuild::service {
namespace {

// containerd is the one client; more than this at once is a mistake that should wait.
constexpr int kConcurrentCallsMax = 1024;
// As containerd's own limit; what makes a request large is its labels.
constexpr int kRequestBytesMax = 16 << 20;
constexpr unsigned kSocketMode = 0600;

}  // namespace

Result<std::unique_ptr<SocketServer>> SocketServer::listen(const std::string& address,
                                                           grpc::Service& service) {
    CHECK_OK(make_room_for_socket(address, SOCK_STREAM));
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + address, grpc::InsecureServerCredentials());
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kConcurrentCallsMax);
    builder.SetMaxReceiveMessageSize(kRequestBytesMax);
    builder.RegisterService(&service);
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (server == nullptr) {
        return fail(Error{std::errc::io_error, "cannot listen at " + address});
    }
    std::unique_ptr<SocketServer> listening{new SocketServer(address, std::move(server))};
    if (::chmod(address.c_str(), kSocketMode) != 0) {
        return fail(errno_error("chmod " + address));
    }
    return listening;
}

SocketServer::SocketServer(std::string address, std::unique_ptr<grpc::Server> server)
    : address_(std::move(address)), server_(std::move(server)) {}

SocketServer::~SocketServer() {
    stop(std::chrono::milliseconds{0});
}

void SocketServer::stop(std::chrono::milliseconds grace) {
    if (server_ == nullptr) {
        return;
    }
    server_->Shutdown(std::chrono::system_clock::now() + grace);
    server_->Wait();
    server_.reset();
    ::unlink(address_.c_str());
}

}  // namespace lazybuild::service
