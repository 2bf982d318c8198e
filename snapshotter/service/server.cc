// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/server.h"

#include <fmt/format.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/fd.h"
#include "base/file.h"

namespace lazybuild::service {
namespace {

// containerd is the one client; more than this at once is a mistake that should wait.
constexpr int kConcurrentCallsMax = 1024;
// As containerd's own limit; what makes a request large is its labels.
constexpr int kRequestBytesMax = 16 << 20;
constexpr unsigned kDirectoryMode = 0711;
constexpr unsigned kSocketMode = 0600;

/// True when a process accepts connections at `address`.
Result<bool> somebody_answers(const sockaddr_un& name) {
    const Fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket) {
        return fail(errno_error("socket"));
    }
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 ||
        errno == EAGAIN) {
        return true;
    }
    if (errno == ECONNREFUSED || errno == ENOENT) {
        return false;
    }
    return fail(errno_error(std::string("connect to ") + name.sun_path));
}

Result<sockaddr_un> socket_name(const std::string& address) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (!address.starts_with('/') || address.ends_with('/') ||
        address.size() >= sizeof name.sun_path) {
        return fail(
            invalid(fmt::format("the address must be the absolute path of a socket, at "
                                "most {} bytes long, not {:?}",
                                sizeof name.sun_path - 1, address)));
    }
    std::memcpy(name.sun_path, address.data(), address.size());
    return name;
}

Result<void> make_room(const std::string& address) {
    TRY(const sockaddr_un name, socket_name(address));
    const std::size_t slash = address.rfind('/');
    if (slash > 0) {
        CHECK_OK(make_directories(address.substr(0, slash), kDirectoryMode));
    }
    struct stat status{};
    if (::lstat(address.c_str(), &status) != 0) {
        return errno == ENOENT ? Result<void>{} : fail(errno_error("stat " + address));
    }
    if (!S_ISSOCK(status.st_mode)) {
        return fail(Error{std::errc::address_in_use, address + " exists and is no socket"});
    }
    TRY(const bool answered, somebody_answers(name));
    if (answered) {
        return fail(
            Error{std::errc::address_in_use, address + ": another process is listening there"});
    }
    if (::unlink(address.c_str()) != 0) {
        return fail(errno_error("unlink " + address));
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<SocketServer>> SocketServer::listen(const std::string& address,
                                                           grpc::Service& service) {
    CHECK_OK(make_room(address));
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
