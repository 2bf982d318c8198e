// SPDX-License-Identifier: Apache-2.0
// The program as systemd runs it (Type=notify): what it says on $NOTIFY_SOCKET, a socket of the
// test's own, and when.
#include "snapshotter/service/daemon.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "github.com/containerd/containerd/api/services/snapshots/v1/snapshots.grpc.pb.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/service/fakes.h"

namespace lazybuild::service {
namespace {

constexpr std::chrono::seconds kPatience{30};

/// A datagram socket as systemd has one.
class NotifySocket {
  public:
    /// `address`: a path, or "@" and the name of an abstract socket.
    explicit NotifySocket(const std::string& address)
        : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        std::memcpy(name.sun_path, address.data(), address.size());
        if (address[0] == '@') {
            name.sun_path[0] = '\0';
        }
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
        EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
    }

    /// The next message; nullopt when none came for so long.
    std::optional<std::string> next(std::chrono::milliseconds patience) {
        pollfd readable{.fd = socket_.get(), .events = POLLIN, .revents = 0};
        char text[256];
        if (::poll(&readable, 1, static_cast<int>(patience.count())) != 1) {
            return std::nullopt;
        }
        const ssize_t count = ::recv(socket_.get(), text, sizeof text, 0);
        return std::string(text, count < 0 ? 0 : static_cast<std::size_t>(count));
    }

  private:
    Fd socket_;
};

/// lazy-snapshotter, killed at the end if it still runs.
class Program {
  public:
    Program(const std::vector<std::string>& arguments, const std::string& notify_socket) {
        std::vector<std::string> words{LAZY_SNAPSHOTTER_PROGRAM};
        words.insert(words.end(), arguments.begin(), arguments.end());
        std::vector<char*> argv;
        for (std::string& word : words) {
            argv.push_back(word.data());
        }
        argv.push_back(nullptr);
        std::string notify = "NOTIFY_SOCKET=" + notify_socket;
        char* environment[] = {notify.data(), nullptr};
        EXPECT_EQ(::posix_spawn(&pid_, argv[0], nullptr, nullptr, argv.data(), environment), 0);
    }
    ~Program() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    void ask_to_stop() const { ::kill(pid_, SIGTERM); }
    /// Its exit code.
    int wait() {
        int status = 0;
        EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

  private:
    pid_t pid_ = -1;
};

class DaemonNotifies : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!private_mounts() || ::access("/dev/fuse", R_OK | W_OK) != 0) {
            GTEST_SKIP() << "needs root and /dev/fuse, to mount";
        }
    }

    std::vector<std::string> arguments() {
        return {"--root",    directory_ / "root",
                "--address", directory_ / "run/lazy.sock",
                "--keeper",  "none"};
    }
    /// One call, without a second try.
    grpc::StatusCode stat_nobody() {
        namespace api = containerd::services::snapshots::v1;
        auto stub = api::Snapshots::NewStub(grpc::CreateChannel(
            "unix:" + directory_ / "run/lazy.sock", grpc::InsecureChannelCredentials()));
        api::StatSnapshotRequest request;
        request.set_key("nobody");
        api::StatSnapshotResponse response;
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + kPatience);
        return stub->Stat(&context, request, &response).error_code();
    }
    void starts_and_stops(const std::string& notify_address) {
        NotifySocket socket{notify_address};
        Program program{arguments(), notify_address};
        EXPECT_EQ(socket.next(kPatience), "READY=1");
        EXPECT_EQ(stat_nobody(), grpc::StatusCode::NOT_FOUND) << "ready, and it does not answer";
        EXPECT_EQ(socket.next(std::chrono::milliseconds{200}), std::nullopt) << "nothing to say";
        program.ask_to_stop();
        EXPECT_EQ(socket.next(kPatience), "STOPPING=1");
        EXPECT_EQ(program.wait(), 0);
        EXPECT_EQ(socket.next(std::chrono::milliseconds{0}), std::nullopt);
    }

    test::TempDir directory_;
};

TEST_F(DaemonNotifies, ready_when_it_serves_and_stopping_when_it_was_asked_to) {
    starts_and_stops(directory_ / "notify.sock");
}

TEST_F(DaemonNotifies, abstract_sockets_too) {
    starts_and_stops("@lazybuild-test-" + std::to_string(::getpid()));
}

TEST_F(DaemonNotifies, nothing_when_it_cannot_start) {
    NotifySocket first_socket{directory_ / "first.sock"};
    Program first{arguments(), directory_ / "first.sock"};
    ASSERT_EQ(first_socket.next(kPatience), "READY=1");
    NotifySocket second_socket{directory_ / "second.sock"};
    Program second{arguments(), directory_ / "second.sock"};
    EXPECT_EQ(second.wait(), 1) << "the root is served already";
    EXPECT_EQ(second_socket.next(std::chrono::milliseconds{0}), std::nullopt);
    // Another root, the same address: it fails last of all.
    Program third{{"--root", directory_ / "other", "--address", directory_ / "run/lazy.sock"},
                  directory_ / "second.sock"};
    EXPECT_EQ(third.wait(), 1);
    EXPECT_EQ(second_socket.next(std::chrono::milliseconds{0}), std::nullopt);
    EXPECT_EQ(stat_nobody(), grpc::StatusCode::NOT_FOUND) << "the first is not disturbed";
    first.ask_to_stop();
    EXPECT_EQ(first.wait(), 0);
}

}  // namespace
}  // namespace lazybuild::service
