// SPDX-License-Identifier: Apache-2.0
// The real containerd (Debian package containerd) for one test: own root, state and socket in a
// temporary directory; ended with the object.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <thread>

#include "tests/support/temp_dir.h"

namespace lazybuild::cli {

/// The snapshotter that works on every file system: each snapshot is a copy.
inline constexpr std::string_view kSnapshotter = "native";

class ContainerdDaemon {
  public:
    /// Null, and why on stderr, when this machine cannot run it.
    static std::unique_ptr<ContainerdDaemon> start() {
        if (::geteuid() != 0 || std::system("command -v containerd ctr > /dev/null") != 0) {
            std::fprintf(stderr, "needs root and the package containerd\n");
            return nullptr;
        }
        std::unique_ptr<ContainerdDaemon> daemon(new ContainerdDaemon);
        daemon->launch();
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (daemon->ctr("version", false).empty()) {
            if (std::chrono::steady_clock::now() > give_up) {
                ADD_FAILURE() << "containerd does not answer:\n" << daemon->directory_.read("log");
                return nullptr;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        return daemon;
    }
    ContainerdDaemon(const ContainerdDaemon&) = delete;
    ContainerdDaemon& operator=(const ContainerdDaemon&) = delete;
    ~ContainerdDaemon() {
        if (pid_ > 0) {
            ::kill(pid_, SIGTERM);
            ::waitpid(pid_, nullptr, 0);
        }
    }

    std::string socket() const { return directory_ / "containerd.sock"; }

    /// What `ctr ARGUMENTS` prints to stdout.
    std::string ctr(const std::string& arguments, bool must_succeed = true) const {
        const std::string command =
            fmt::format("cd {} && timeout 60 ctr --address {} {} > out.txt 2> err.txt",
                        directory_.path(), socket(), arguments);
        const int status = std::system(command.c_str());
        if (must_succeed) {
            EXPECT_EQ(status, 0) << command << "\n" << directory_.read("err.txt");
        }
        return directory_.read("out.txt");
    }
    /// How many lines that is.
    std::size_t count(const std::string& arguments) const {
        const std::string lines = ctr(arguments);
        return static_cast<std::size_t>(std::ranges::count(lines, '\n'));
    }

  private:
    ContainerdDaemon() = default;

    void launch() {
        directory_.write(
            "config.toml",
            fmt::format("version = 2\nroot = \"{0}/root\"\nstate = \"{0}/state\"\n"
                        "disabled_plugins = [\"io.containerd.grpc.v1.cri\", "
                        "\"io.containerd.internal.v1.opt\"]\n[grpc]\n  address = \"{1}\"\n",
                        directory_.path(), socket()));
        std::string log = directory_ / "log";
        std::string config = directory_ / "config.toml";
        pid_ = ::fork();
        if (pid_ == 0) {
            // A test that is killed must not leave it behind.
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            ::dup2(out, STDOUT_FILENO);
            ::dup2(out, STDERR_FILENO);
            ::execlp("containerd", "containerd", "--config", config.c_str(), "--log-level", "warn",
                     static_cast<char*>(nullptr));
            ::_exit(1);
        }
    }

    test::TempDir directory_;
    pid_t pid_ = -1;
};

}  // namespace lazybuild::cli
