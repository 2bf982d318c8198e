// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/background.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "base/assert.h"
#include "base/file.h"

namespace lazybuild::cli {
namespace {

constexpr const char* kThisProgram = "/proc/self/exe";
constexpr std::string_view kReady = "ready";
/// Where the new process finds its end of the pipe.
constexpr int kReadyFd = 3;

std::vector<std::string> background_arguments(const std::vector<std::string>& arguments) {
    ASSERT(arguments.size() >= 2);
    std::vector<std::string> result{arguments[0], arguments[1], "--foreground",
                                    fmt::format("--ready-fd={}", kReadyFd)};
    result.insert(result.end(), arguments.begin() + 2, arguments.end());
    return result;
}

/// What posix_spawn is told, freed at the end of its scope.
struct SpawnSettings {
    SpawnSettings() {
        ::posix_spawn_file_actions_init(&files);
        ::posix_spawnattr_init(&attributes);
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;
    ~SpawnSettings() {
        ::posix_spawn_file_actions_destroy(&files);
        ::posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_t files{};
    posix_spawnattr_t attributes{};
};

Result<pid_t> spawn(const std::vector<std::string>& arguments, int ready) {
    std::vector<char*> pointers;
    pointers.reserve(arguments.size() + 1);
    for (const std::string& argument : arguments) {
        pointers.push_back(const_cast<char*>(argument.c_str()));
    }
    pointers.push_back(nullptr);
    SpawnSettings settings;
    // dup2 to itself would keep close-on-exec.
    if (ready == kReadyFd) {
        return fail(errno_error("the pipe's descriptor is taken", EBUSY));
    }
    ::posix_spawn_file_actions_adddup2(&settings.files, ready, kReadyFd);
    // The signals that this process waits for on a thread are blocked in all of them.
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&settings.attributes, &none);
    ::posix_spawnattr_setflags(&settings.attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    pid_t child = 0;
    const int failure = ::posix_spawn(&child, kThisProgram, &settings.files, &settings.attributes,
                                      pointers.data(), ::environ);
    if (failure != 0) {
        return fail(errno_error("start the process in the background", failure));
    }
    return child;
}

/// Whether the word came before the pipe's end.
bool read_ready(int pipe) {
    std::string word;
    std::array<char, 16> buffer{};
    for (;;) {
        const ssize_t count = ::read(pipe, buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0 || word.size() > kReady.size()) {
            return word == kReady;
        }
        word.append(buffer.data(), static_cast<std::size_t>(count));
    }
}

Result<ExitCode> exit_code_of(pid_t child) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return fail(errno_error("wait for the process in the background"));
        }
    }
    if (WIFSIGNALED(status)) {
        return fail(errno_error(
            fmt::format("the process in the background was ended by signal {}", WTERMSIG(status)),
            EINTR));
    }
    const int code = WEXITSTATUS(status);
    // An end without a mount is no success, whatever it says of itself.
    return code == 0 ? ExitCode::failed : ExitCode{code};
}

}  // namespace

Result<ExitCode> run_in_background(const std::vector<std::string>& arguments,
                                   image::Console& console) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail(errno_error("pipe"));
    }
    const Fd reader{ends[0]};
    // Out of the way of the number that the new process wants it at.
    Fd writer{::fcntl(ends[1], F_DUPFD_CLOEXEC, kReadyFd + 1)};
    ::close(ends[1]);
    if (!writer) {
        return fail(errno_error("pipe"));
    }
    TRY(const pid_t child, spawn(background_arguments(arguments), writer.get()));
    writer.reset();
    console.on_interrupt([child] { ::kill(child, SIGTERM); });
    const bool ready = read_ready(reader.get());
    console.on_interrupt({});
    if (ready) {
        return ExitCode::done;
    }
    return exit_code_of(child);
}

Result<void> report_ready(Fd ready, const std::string& log_path) {
    TRY(const Fd nowhere, open_file("/dev/null", O_RDWR));
    TRY(const Fd log, open_file(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600));
    CHECK_OK(write_all(ready.get(), as_bytes(kReady)));
    if (::dup2(nowhere.get(), STDIN_FILENO) < 0 || ::dup2(nowhere.get(), STDOUT_FILENO) < 0 ||
        ::dup2(log.get(), STDERR_FILENO) < 0) {
        return fail(errno_error("leave the terminal"));
    }
    return {};
}

}  // namespace lazybuild::cli
