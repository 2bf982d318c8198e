// SPDX-License-Identifier: Apache-2.0
#include "builder/files/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

#include "base/fd.h"

namespace lazybuild::files {
namespace {

using Clock = std::chrono::steady_clock;

/// How soon a cancelled child is seen to be.
constexpr int kLookMs = 100;
constexpr std::size_t kReadBytes = 64 << 10;

struct Pipe {
    Fd read_end, write_end;
};

Result<Pipe> make_pipe() {
    std::array<int, 2> numbers{};
    if (::pipe2(numbers.data(), O_CLOEXEC) != 0) {
        return fail(errno_error("pipe"));
    }
    return Pipe{.read_end = Fd{numbers[0]}, .write_end = Fd{numbers[1]}};
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (std::string& text : texts) {
        all.push_back(text.data());
    }
    all.push_back(nullptr);
    return all;
}

/// A child in a process group of its own, and the duty to end both.
class Running {
  public:
    static Result<Running> start(const ChildProcess& child, const Pipe& output, const Pipe& errors);
    Running(Running&& other) noexcept
        : pid_(std::exchange(other.pid_, -1)), pid_fd_(std::move(other.pid_fd_)) {}
    Running& operator=(Running&&) = delete;
    ~Running() {
        if (pid_ > 0) {
            ::kill(-pid_, SIGKILL);
            reap();
        }
    }

    int pid_fd() const { return pid_fd_.get(); }
    int reap() {
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

  private:
    explicit Running(pid_t pid) : pid_(pid) {}
    pid_t pid_;
    Fd pid_fd_;
};

Result<Running> Running::start(const ChildProcess& child, const Pipe& output, const Pipe& errors) {
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, output.write_end.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, errors.write_end.get(), STDERR_FILENO);
    if (!child.directory.empty()) {
        ::posix_spawn_file_actions_addchdir_np(&actions, child.directory.c_str());
    }
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    sigset_t signals;
    ::sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&attributes, &signals);
    ::sigaddset(&signals, SIGPIPE);
    ::posix_spawnattr_setsigdefault(&attributes, &signals);

    std::vector<std::string> arguments = child.arguments;
    std::vector<std::string> environment = child.environment;
    pid_t pid = -1;
    const int error = ::posix_spawnp(&pid, arguments.front().c_str(), &actions, &attributes,
                                     pointers(arguments).data(), pointers(environment).data());
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        return fail(errno_error("start " + child.arguments.front(), error));
    }
    Running running{pid};
    // glibc 2.36 declares pidfd_open() without C linkage, so that C++ cannot link it.
    running.pid_fd_ = Fd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
    if (!running.pid_fd_) {
        return fail(errno_error("pidfd_open"));
    }
    return running;
}

// Takes what there is. False at the end of the stream.
Result<bool> take(int stream, std::string& text) {
    std::array<char, kReadBytes> buffer;
    const ssize_t count = ::read(stream, buffer.data(), buffer.size());
    if (count < 0) {
        if (errno == EINTR || errno == EAGAIN) {
            return true;
        }
        return fail(errno_error("read a program's output"));
    }
    const std::size_t room = kChildOutputBytesMax - std::min(text.size(), kChildOutputBytesMax);
    text.append(buffer.data(), std::min(static_cast<std::size_t>(count), room));
    return count > 0;
}

// Until the child has ended and has printed all: what it left behind in the background may hold its
// streams open for longer, and is not waited for.
Result<void> watch(const ChildProcess& child, const Running& running, int output, int errors,
                   ChildResult& result) {
    std::array<pollfd, 3> waits{pollfd{output, POLLIN, 0}, pollfd{errors, POLLIN, 0},
                                pollfd{running.pid_fd(), POLLIN, 0}};
    const Clock::time_point deadline = Clock::now() + child.time_max;
    while (true) {
        if (::poll(waits.data(), waits.size(), kLookMs) < 0 && errno != EINTR) {
            return fail(errno_error("poll"));
        }
        if (waits[0].revents != 0) {
            TRY(const bool more, take(output, result.output));
            waits[0].fd = more ? output : -1;
        }
        if (waits[1].revents != 0) {
            TRY(const bool more, take(errors, result.errors));
            waits[1].fd = more ? errors : -1;
        }
        if (waits[2].revents != 0 && waits[0].revents == 0 && waits[1].revents == 0) {
            return {};
        }
        if (child.cancel.cancelled()) {
            return fail(Error{std::errc::operation_canceled, "cancelled"});
        }
        if (Clock::now() > deadline) {
            return fail(Error{std::errc::timed_out,
                              fmt::format("{} took longer than {} seconds and was killed",
                                          child.arguments.front(), child.time_max.count())});
        }
    }
}

}  // namespace

Result<ChildResult> run_child(const ChildProcess& child) {
    TRY(Pipe output, make_pipe());
    TRY(Pipe errors, make_pipe());
    TRY(Running running, Running::start(child, output, errors));
    output.write_end.reset();
    errors.write_end.reset();
    ChildResult result;
    CHECK_OK(watch(child, running, output.read_end.get(), errors.read_end.get(), result));
    result.exit_code = running.reap();
    return result;
}

}  // namespace lazybuild::files
