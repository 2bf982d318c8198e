// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/credential_helper.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "snapshotter/registry/wire_json.h"

namespace lazybuild::registry {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kHelperNameBytesMax = 100;

bool is_helper_name(std::string_view name) {
    return !name.empty() && name.size() <= kHelperNameBytesMax && name.front() != '.' &&
           std::ranges::all_of(name, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
           });
}

// The child, its output, and the duty to end it.
class Process {
  public:
    Process(pid_t pid, Fd pid_fd, Fd output)
        : pid_(pid), pid_fd_(std::move(pid_fd)), output_(std::move(output)) {}
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() {
        if (pid_ > 0) {
            // The whole group: helpers are often shell scripts that start others.
            kill(-pid_, SIGKILL);
            reap();
        }
    }

    int output() const { return output_.get(); }
    int pid_fd() const { return pid_fd_.get(); }

    // The exit status, -1 when a signal ended it. Blocks unless it has ended.
    int reap() {
        int status = 0;
        while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

  private:
    pid_t pid_;
    Fd pid_fd_;
    Fd output_;
};

// glibc 2.36 declares pidfd_open() without C linkage, so that C++ cannot link it.
Fd open_pid_fd(pid_t pid) {
    return Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

// stdin is a file in memory, not a pipe: a helper that ends without reading sends us no SIGPIPE.
Result<Fd> input_file(std::string_view content) {
    Fd file(memfd_create("credential-helper-input", MFD_CLOEXEC));
    if (!file) {
        return fail(errno_error("memfd_create"));
    }
    CHECK_OK(write_all(file.get(), as_bytes(content)));
    if (lseek(file.get(), 0, SEEK_SET) != 0) {
        return fail(errno_error("lseek"));
    }
    return file;
}

Result<std::unique_ptr<Process>> start(const std::string& program, const std::string& server) {
    TRY(Fd input, input_file(server));
    std::array<int, 2> pipe_fds{};
    if (pipe2(pipe_fds.data(), O_CLOEXEC) != 0) {
        return fail(errno_error("pipe"));
    }
    Fd read_end(pipe_fds[0]);
    const Fd write_end(pipe_fds[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input.get(), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes, &signals);
    sigaddset(&signals, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &signals);

    std::string verb = "get";
    std::string name = program;
    const std::array<char*, 3> arguments{name.data(), verb.data(), nullptr};
    pid_t pid = -1;
    const int error =
        posix_spawnp(&pid, program.c_str(), &actions, &attributes, arguments.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        return fail(errno_error("start", error));
    }
    auto process = std::make_unique<Process>(pid, open_pid_fd(pid), std::move(read_end));
    if (process->pid_fd() < 0) {
        return fail(errno_error("pidfd_open"));
    }
    return process;
}

// Waits until `process` has ended and returns what it printed.
Result<std::string> collect_output(const Process& process, Clock::time_point deadline) {
    std::string output;
    std::array<pollfd, 2> waits{pollfd{process.output(), POLLIN, 0},
                                pollfd{process.pid_fd(), POLLIN, 0}};
    while (true) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        const int ready = left <= 0 ? 0 : poll(waits.data(), waits.size(), static_cast<int>(left));
        if (ready == 0) {
            return fail(Error{std::errc::timed_out, "it did not answer in time and was killed"});
        }
        if (ready < 0 && errno != EINTR) {
            return fail(errno_error("poll"));
        }
        if (ready > 0 && waits[0].revents != 0) {
            std::array<char, 4096> piece;
            const ssize_t size = read(process.output(), piece.data(), piece.size());
            if (size < 0 && errno != EINTR) {
                return fail(errno_error("read"));
            }
            output.append(piece.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
            if (output.size() > kHelperOutputBytesMax) {
                return fail(over_limit(
                    fmt::format("it printed more than {} bytes", kHelperOutputBytesMax)));
            }
            if (size == 0) {
                waits[0].fd = -1;  // it closed its stdout; what is left is its exit
            }
        } else if (ready > 0 && waits[1].revents != 0) {
            // It has ended and the pipe is empty; a child of its own may keep the pipe open.
            return output;
        }
    }
}

Result<std::optional<Credential>> ask(const std::string& program, const std::string& server,
                                      std::chrono::milliseconds timeout) {
    const auto deadline = Clock::now() + timeout;
    TRY(auto process, start(program, server));
    TRY(const std::string output, collect_output(*process, deadline));
    const int status = process->reap();
    if (status == 0) {
        TRY(Credential credential, parse_helper_answer(output));
        return credential;
    }
    if (output.find("credentials not found") != std::string::npos) {
        return std::nullopt;
    }
    return fail(Error{std::errc::io_error,
                      fmt::format("exit status {}: {}", status, error_text(as_bytes(output)))});
}

}  // namespace

Result<std::optional<Credential>> ask_credential_helper(const std::string& name,
                                                        const std::string& server,
                                                        std::chrono::milliseconds timeout) {
    if (!is_helper_name(name)) {
        return fail(
            invalid("a credential helper's name may only hold letters, digits, '.', '_' "
                    "and '-'"));
    }
    const std::string program = "docker-credential-" + name;
    auto answer = ask(program, server, timeout);
    if (!answer) {
        return fail(std::move(answer).error().context(program));
    }
    return answer;
}

}  // namespace lazybuild::registry
