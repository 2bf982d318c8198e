// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/key_agent.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "base/fd.h"
#include "base/file.h"
#include "base/unix_socket.h"

namespace lazybuild::exec {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kStartTimeMax{20};
constexpr std::chrono::milliseconds kLookEvery{5};
constexpr int kAddMsMax = 20'000;
constexpr std::uint64_t kMessageBytesMax = 64 << 10;
constexpr const char* kSocketName = "agent";
constexpr const char* kMessagesName = "messages";

/// A child without a terminal, which ends with the thread that started it.
class Child {
  public:
    /// Works in `directory`; what it says goes to a file there.
    static Result<Child> start(const std::vector<std::string>& arguments, int directory);
    Child(Child&& other) noexcept
        : pid_(std::exchange(other.pid_, -1)), pid_fd_(std::move(other.pid_fd_)) {}
    Child& operator=(Child&&) = delete;
    ~Child() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            reap();
        }
    }

    /// Its exit code, 128 for a signal; nullopt when it still runs after `timeout_ms`.
    std::optional<int> wait(int timeout_ms) {
        pollfd polled{pid_fd_.get(), POLLIN, 0};
        return ::poll(&polled, 1, timeout_ms) == 1 ? std::optional{reap()} : std::nullopt;
    }

  private:
    explicit Child(pid_t pid) : pid_(pid) {}
    int reap() {
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    }

    pid_t pid_;
    Fd pid_fd_;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (std::string& text : texts) {
        all.push_back(text.data());
    }
    all.push_back(nullptr);
    return all;
}

struct ChildPlan {
    char* const* arguments;
    char* const* environment;
    int directory, null_fd, messages_fd;
    pid_t parent;
};

// A copy of one thread of a process of many: system calls only.
[[noreturn]] void run_child(const ChildPlan& plan) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    const bool ready = ::getppid() == plan.parent && ::setsid() >= 0 &&
                       ::fchdir(plan.directory) == 0 && ::dup2(plan.null_fd, STDIN_FILENO) >= 0 &&
                       ::dup2(plan.null_fd, STDOUT_FILENO) >= 0 &&
                       ::dup2(plan.messages_fd, STDERR_FILENO) >= 0;
    if (ready) {
        ::syscall(SYS_close_range, 3U, ~0U, 0U);
        ::execvpe(plan.arguments[0], plan.arguments, plan.environment);
    }
    ::_exit(127);
}

Result<Child> Child::start(const std::vector<std::string>& arguments, int directory) {
    TRY(const Fd null, open_file("/dev/null", O_RDWR));
    const Fd messages{::openat(directory, kMessagesName,
                               O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600)};
    if (!messages) {
        return fail(errno_error("make a file for an SSH agent's messages"));
    }
    std::vector<std::string> texts = arguments;
    std::vector<std::string> environment{"LC_ALL=C.UTF-8",
                                         fmt::format("SSH_AUTH_SOCK={}", kSocketName),
                                         "SSH_ASKPASS=/bin/false", "SSH_ASKPASS_REQUIRE=force"};
    for (const char* const name : {"PATH", "HOME"}) {
        if (const char* const value = std::getenv(name); value != nullptr) {
            environment.push_back(fmt::format("{}={}", name, value));
        }
    }
    const std::vector<char*> argument_list = pointers(texts);
    const std::vector<char*> environment_list = pointers(environment);
    const ChildPlan plan{.arguments = argument_list.data(),
                         .environment = environment_list.data(),
                         .directory = directory,
                         .null_fd = null.get(),
                         .messages_fd = messages.get(),
                         .parent = ::getpid()};
    const pid_t pid = ::fork();
    if (pid < 0) {
        return fail(errno_error("fork"));
    }
    if (pid == 0) {
        run_child(plan);
    }
    Child child{pid};
    // glibc 2.36 declares pidfd_open() without C linkage, so that C++ cannot link it.
    child.pid_fd_ = Fd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
    if (!child.pid_fd_) {
        return fail(errno_error("pidfd_open"));
    }
    return child;
}

class RunningAgent final : public KeyAgent {
  public:
    RunningAgent(std::string path, Fd directory)
        : path_(std::move(path)), directory_(std::move(directory)) {}
    RunningAgent(const RunningAgent&) = delete;
    RunningAgent& operator=(const RunningAgent&) = delete;
    ~RunningAgent() override {
        child_.reset();
        [[maybe_unused]] const auto removed = remove_tree(path_);
    }

    std::string socket() const override {
        return fmt::format("/proc/self/fd/{}/{}", directory_.get(), kSocketName);
    }

    Result<void> start() {
        TRY(Child child, Child::start({"ssh-agent", "-D", "-a", kSocketName}, directory_.get()));
        child_.emplace(std::move(child));
        const Clock::time_point deadline = Clock::now() + kStartTimeMax;
        while (true) {
            TRY(const bool listens, is_listening());
            if (listens) {
                return {};
            }
            if (const auto code = child_->wait(0)) {
                child_.reset();
                return fail(not_started("ssh-agent", *code));
            }
            if (Clock::now() > deadline) {
                return fail(Error{std::errc::timed_out, "ssh-agent does not listen"});
            }
            std::this_thread::sleep_for(kLookEvery);
        }
    }

    Result<void> add(const std::string& key) {
        TRY(Child child, Child::start({"ssh-add", "-q", key}, directory_.get()));
        const auto code = child.wait(kAddMsMax);
        if (!code) {
            return fail(Error{std::errc::timed_out, "ssh-add " + key + " does not end"});
        }
        if (*code == 127) {
            return fail(not_started("ssh-add", *code));
        }
        if (*code == 0) {
            return {};
        }
        const std::string said = messages();
        // It says nothing when there is nobody who could tell it the passphrase.
        return fail(invalid(said.empty()
                                ? key + ": a key with a passphrase; add it to an agent of yours "
                                        "(ssh-add) and pass on that one (--ssh ID)"
                                : fmt::format("{}: not a key that ssh-add takes: {}", key, said)));
    }

  private:
    Result<bool> is_listening() const {
        TRY(const sockaddr_un address, unix_socket_address(socket()));
        const Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        if (!fd) {
            return fail(errno_error("socket"));
        }
        return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
               0;
    }

    Error not_started(const std::string& program, int code) const {
        return code == 127 ? Error{std::errc::no_such_file_or_directory,
                                   program + " cannot be run; keys need it (openssh-client)"}
                           : Error{std::errc::io_error, program + ": " + messages()};
    }

    std::string messages() const {
        std::string text = read_file(path_ + "/" + kMessagesName, kMessageBytesMax).value_or("");
        text.resize(text.find_last_not_of(" \r\n") + 1);
        return text;
    }

    const std::string path_;
    Fd directory_;
    std::optional<Child> child_;
};

}  // namespace

Result<std::unique_ptr<KeyAgent>> KeyAgent::start(const std::string& directory,
                                                  const std::vector<std::string>& keys) {
    std::string path = directory + "/ssh-agent.XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) {
        return fail(errno_error(path));
    }
    TRY(Fd fd, open_file(path, O_PATH | O_DIRECTORY));
    auto agent = std::make_unique<RunningAgent>(std::move(path), std::move(fd));
    CHECK_OK(agent->start());
    for (const std::string& key : keys) {
        CHECK_OK(agent->add(key));
    }
    return agent;
}

}  // namespace lazybuild::exec
