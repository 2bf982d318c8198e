// SPDX-License-Identifier: Apache-2.0
// Between clone3 and execve the child is a copy of one thread of a process of many: any lock may be
// held for ever. So the parent prepares everything, and the child makes system calls only.
#include "builder/exec/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/fd.h"

namespace lazybuild::exec {
namespace {

constexpr int kPollMs = 50;                     // how late a cancellation is seen
constexpr std::size_t kOutputBytes = 64 << 10;  // a pipe's worth
constexpr int kFirstFdOfChild = 10;             // above those that dup2 overwrites

/// What the child was doing when it failed; it tells the parent by this number and errno.
enum class Stage : int { parent_gone, mounts, proc, cgroups, streams, start };
constexpr std::array<const char*, 6> kStageNames = {
    "the builder is gone", "make mounts private",  "mount /proc",
    "hide cgroups",        "redirect its streams", "start",
};

struct Failure {
    Stage stage;
    int error_number;
};

/// Both ends are above those that the child's streams take.
struct Pipe {
    Fd read, write;
};

Result<Pipe> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail(errno_error("pipe2"));
    }
    const Fd low_read{ends[0]}, low_write{ends[1]};
    Pipe pipe{.read = Fd{::fcntl(low_read.get(), F_DUPFD_CLOEXEC, kFirstFdOfChild)},
              .write = Fd{::fcntl(low_write.get(), F_DUPFD_CLOEXEC, kFirstFdOfChild)}};
    if (!pipe.read || !pipe.write) {
        return fail(errno_error("duplicate a pipe"));
    }
    return pipe;
}

struct ChildPlan {
    const char* const* arguments;
    const char* const* environment;
    CgroupView cgroups;
    int null_fd, output_fd, error_fd;  // its streams
    int go_fd;                         // a byte arrives once the parent knows it
    int failure_fd;                    // closed by a successful execve
};

[[noreturn]] void give_up(const ChildPlan& plan, Stage stage) {
    const Failure failure{.stage = stage, .error_number = errno};
    [[maybe_unused]] const ssize_t written = ::write(plan.failure_fd, &failure, sizeof failure);
    ::_exit(127);
}

void forget_signals() {
    for (int number = 1; number < NSIG; ++number) {
        ::signal(number, SIG_DFL);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// Everything but what the plan names, so that no descriptor of ours reaches a container.
void close_others(const ChildPlan& plan) {
    std::array<int, 5> kept = {plan.null_fd, plan.output_fd, plan.error_fd, plan.go_fd,
                               plan.failure_fd};
    for (std::size_t i = 1; i < kept.size(); ++i) {  // std::sort may not be called here
        for (std::size_t j = i; j > 0 && kept[j - 1] > kept[j]; --j) {
            const int swapped = kept[j];
            kept[j] = kept[j - 1];
            kept[j - 1] = swapped;
        }
    }
    unsigned first = 3;
    for (const int fd : kept) {
        const auto number = static_cast<unsigned>(fd);
        if (number > first) {
            ::syscall(SYS_close_range, first, number - 1, 0U);
        }
        first = number + 1;
    }
    ::syscall(SYS_close_range, first, ~0U, 0U);
}

bool restrict_cgroups(CgroupView view) {
    constexpr const char* kDirectory = "/sys/fs/cgroup";
    if (::access(kDirectory, F_OK) != 0) {
        return true;
    }
    if (view == CgroupView::none) {
        return ::mount("none", kDirectory, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0;
    }
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    return ::syscall(SYS_mount_setattr, -1, kDirectory, AT_RECURSIVE, &attributes,
                     sizeof attributes) == 0 ||
           errno == EINVAL;  // it is no mount: there are no cgroups
}

[[noreturn]] void run_child(const ChildPlan& plan) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    close_others(plan);
    char go = 0;
    if (::read(plan.go_fd, &go, 1) != 1) {  // it died before it could take us along
        errno = ESRCH;
        give_up(plan, Stage::parent_gone);
    }
    forget_signals();
    ::setsid();
    ::umask(022);
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        give_up(plan, Stage::mounts);
    }
    if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
        give_up(plan, Stage::proc);
    }
    if (!restrict_cgroups(plan.cgroups)) {
        give_up(plan, Stage::cgroups);
    }
    if (::dup2(plan.null_fd, 0) < 0 || ::dup2(plan.output_fd, 1) < 0 ||
        ::dup2(plan.error_fd, 2) < 0 || ::chdir("/") != 0) {
        give_up(plan, Stage::streams);
    }
    ::execve(plan.arguments[0], const_cast<char* const*>(plan.arguments),
             const_cast<char* const*>(plan.environment));
    give_up(plan, Stage::start);
}

std::vector<const char*> pointers(const std::vector<std::string>& texts) {
    std::vector<const char*> result;
    result.reserve(texts.size() + 1);
    for (const std::string& text : texts) {
        result.push_back(text.c_str());
    }
    result.push_back(nullptr);
    return result;
}

/// The parent's side of a child.
class Child {
  public:
    Child(Fd process, Fd output, Fd error, Fd failure)
        : process_(std::move(process)),
          streams_{std::move(output), std::move(error)},
          failure_(std::move(failure)) {}
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (!reaped_) {
            kill();
            static_cast<void>(reap());
        }
    }

    /// Passes its output on until it is gone.
    Result<int> attend(const ProcessRequest& request) {
        bool killed = false;
        for (bool running = true; running;) {
            if (!killed && request.cancel.cancelled()) {
                kill();
                killed = true;
            }
            std::array<pollfd, 3> polled = {pollfd{streams_[0].get(), POLLIN, 0},
                                            pollfd{streams_[1].get(), POLLIN, 0},
                                            pollfd{process_.get(), POLLIN, 0}};
            if (::poll(polled.data(), polled.size(), kPollMs) < 0 && errno != EINTR) {
                return fail(errno_error("poll a process"));
            }
            running = polled[2].revents == 0;
            for (int stream = 0; stream < 2; ++stream) {
                pass_on(stream, request, !running);
            }
        }
        TRY(const int code, reap());
        if (killed) {
            return fail(Error{std::errc::operation_canceled, "cancelled"});
        }
        return code;
    }

    /// What kept it from starting its program.
    std::optional<Failure> failure() const {
        Failure found{};
        const ssize_t bytes = ::read(failure_.get(), &found, sizeof found);
        return bytes == sizeof found ? std::optional{found} : std::nullopt;
    }

  private:
    void kill() const { ::syscall(SYS_pidfd_send_signal, process_.get(), SIGKILL, nullptr, 0); }

    /// One read, so that both streams and a cancellation have their turn; to the end when nobody
    /// can write any more.
    void pass_on(int stream, const ProcessRequest& request, bool to_end) {
        Fd& fd = streams_[static_cast<std::size_t>(stream)];
        while (fd) {
            const ssize_t bytes = ::read(fd.get(), buffer_.data(), buffer_.size());
            if (bytes > 0) {
                if (request.output) {
                    request.output(stream + 1, {buffer_.data(), static_cast<std::size_t>(bytes)});
                }
            } else if (bytes == 0 || (errno != EAGAIN && errno != EINTR)) {
                fd.reset();
            }
            if (!to_end || (bytes < 0 && errno == EAGAIN)) {
                return;
            }
        }
    }

    Result<int> reap() {
        siginfo_t info{};
        reaped_ = true;
        while (::waitid(P_PIDFD, static_cast<id_t>(process_.get()), &info, WEXITED) != 0) {
            if (errno != EINTR) {
                return fail(errno_error("waitid"));
            }
        }
        return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    }

    Fd process_;
    std::array<Fd, 2> streams_;
    Fd failure_;
    bool reaped_ = false;
    std::array<char, kOutputBytes> buffer_{};
};

}  // namespace

Result<int> run_process(const ProcessRequest& request) {
    TRY(Pipe output, make_pipe());
    TRY(Pipe error, make_pipe());
    TRY(Pipe go, make_pipe());
    TRY(Pipe failure, make_pipe());
    const Fd low_null{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    const Fd null{::fcntl(low_null.get(), F_DUPFD_CLOEXEC, kFirstFdOfChild)};
    bool prepared = static_cast<bool>(null);
    for (const Pipe* pipe : {&output, &error, &failure}) {
        prepared = prepared && ::fcntl(pipe->read.get(), F_SETFL, O_NONBLOCK) == 0;
    }
    if (!prepared) {
        return fail(errno_error("prepare the streams of a process"));
    }
    const std::vector<const char*> arguments = pointers(request.arguments);
    const std::vector<const char*> environment = pointers(request.environment);
    const ChildPlan plan{.arguments = arguments.data(),
                         .environment = environment.data(),
                         .cgroups = request.cgroups,
                         .null_fd = null.get(),
                         .output_fd = output.write.get(),
                         .error_fd = error.write.get(),
                         .go_fd = go.read.get(),
                         .failure_fd = failure.write.get()};
    int process_fd = -1;
    clone_args arguments_of_clone{};
    arguments_of_clone.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_PIDFD;
    arguments_of_clone.pidfd = reinterpret_cast<std::uintptr_t>(&process_fd);
    arguments_of_clone.exit_signal = SIGCHLD;
    const long child = ::syscall(SYS_clone3, &arguments_of_clone, sizeof arguments_of_clone);
    if (child < 0) {
        return fail(errno_error("start a process in namespaces of its own (clone3)"));
    }
    if (child == 0) {
        run_child(plan);
    }
    Child attended{Fd{process_fd}, std::move(output.read), std::move(error.read),
                   std::move(failure.read)};
    constexpr char kGo = 1;
    [[maybe_unused]] const ssize_t written = ::write(go.write.get(), &kGo, 1);
    for (Fd* end : {&output.write, &error.write, &go.read, &failure.write}) {
        end->reset();
    }
    TRY(const int code, attended.attend(request));
    if (const auto why = attended.failure()) {
        return fail(errno_error(fmt::format("{}: {}", request.arguments.front(),
                                            kStageNames[static_cast<std::size_t>(why->stage)]),
                                why->error_number));
    }
    return code;
}

}  // namespace lazybuild::exec
