// SPDX-License-Identifier: Apache-2.0
// One ring, used by one thread.
//
// A request's user data is the address of its completion. That is enough to cancel by, although
// addresses are used again: a cancel takes its place in the submission queue (or the backlog)
// before any later request can, and the kernel looks for its target when it gets there. So a cancel
// that comes too late finds nothing, never somebody else's request.
//
// Entries that find the submission queue full go to a backlog, in order, and from there to the
// queue before the next wait; nothing is submitted in the middle of handing out completions.
#include "snapshotter/io/uring_backend.h"

#include <fmt/format.h>
#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <deque>
#include <ratio>
#include <string>
#include <thread>

#include "base/assert.h"
#include "base/fd.h"
#include "base/log.h"

namespace lazybuild::io {
namespace {

constexpr unsigned kQueueEntries = 256;
constexpr unsigned kCompletionEntries = 4096;
/// Needed: no completion is ever dropped; a wait takes a timeout; sockets wait without a thread.
constexpr unsigned kNeededFeatures =
    IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_FAST_POLL;

class UringBackend final : public IoBackend {
  public:
    UringBackend(const io_uring& ring, bool disabled, Fd wake_fd)
        : ring_(ring), disabled_(disabled), wake_fd_(std::move(wake_fd)) {}
    UringBackend(const UringBackend&) = delete;
    UringBackend& operator=(const UringBackend&) = delete;
    ~UringBackend() override { ::io_uring_queue_exit(&ring_); }

    void start() override;
    void submit(const IoRequest& request, IoCompletion& completion) override;
    void cancel(IoCompletion& completion) override;
    void wait(std::optional<Deadline> deadline) override;
    void wake() override;

  private:
    /// A request, or (cancel) the wish to end the one of `completion`, or (neither) a watch on
    /// wake_fd_.
    struct Entry {
        IoRequest request;
        IoCompletion* completion;
        bool cancel;
    };
    void enqueue(const Entry& entry);
    bool prepare(const Entry& entry);
    void watch_wake_fd();
    void enter(std::optional<Deadline> deadline);
    void hand_out_completions();

    io_uring ring_;
    bool disabled_;
    Fd wake_fd_;
    std::deque<Entry> backlog_;
};

unsigned size_of(std::size_t bytes) {
    ASSERT(bytes <= kTransferBytesMax);
    return static_cast<unsigned>(bytes);
}

void prepare_request(io_uring_sqe* entry, const IoRequest& request) {
    const MutableByteView into = request.into;
    const ByteView from = request.from;
    switch (request.kind) {
        case IoRequest::Kind::accept:
            ::io_uring_prep_accept(entry, request.fd, nullptr, nullptr,
                                   SOCK_CLOEXEC | SOCK_NONBLOCK);
            return;
        case IoRequest::Kind::connect:
            ::io_uring_prep_connect(entry, request.fd, request.to->get(), request.to->size_bytes());
            return;
        case IoRequest::Kind::receive:
            ::io_uring_prep_recv(entry, request.fd, into.data(), size_of(into.size()), 0);
            return;
        case IoRequest::Kind::send:
            ::io_uring_prep_send(entry, request.fd, from.data(), size_of(from.size()),
                                 MSG_NOSIGNAL);
            return;
        case IoRequest::Kind::read:
            ::io_uring_prep_read(entry, request.fd, into.data(), size_of(into.size()),
                                 request.offset_bytes);
            return;
        case IoRequest::Kind::write:
            ::io_uring_prep_write(entry, request.fd, from.data(), size_of(from.size()),
                                  request.offset_bytes);
            return;
        case IoRequest::Kind::sync_data:
            ::io_uring_prep_fsync(entry, request.fd, IORING_FSYNC_DATASYNC);
            return;
        case IoRequest::Kind::poll_readable:
            ::io_uring_prep_poll_add(entry, request.fd, POLLIN);
            return;
        case IoRequest::Kind::poll_writable:
            ::io_uring_prep_poll_add(entry, request.fd, POLLOUT);
            return;
    }
    ASSERT(false);
}

void UringBackend::start() {
    if (disabled_) {
        // The thread that enables the ring is the one it takes requests from, from now on.
        // (By its number: liburing 2.3 declares io_uring_enable_rings but does not export it.)
        const long result = ::syscall(SYS_io_uring_register, ring_.ring_fd,
                                      IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
        ASSERT(result == 0);
        disabled_ = false;
    }
    watch_wake_fd();
}

void UringBackend::submit(const IoRequest& request, IoCompletion& completion) {
    enqueue({.request = request, .completion = &completion, .cancel = false});
}

void UringBackend::cancel(IoCompletion& completion) {
    enqueue({.request = {}, .completion = &completion, .cancel = true});
}

void UringBackend::watch_wake_fd() {
    const IoRequest request{.kind = IoRequest::Kind::poll_readable, .fd = wake_fd_.get()};
    enqueue({.request = request, .completion = nullptr, .cancel = false});
}

void UringBackend::enqueue(const Entry& entry) {
    if (!backlog_.empty() || !prepare(entry)) {
        backlog_.push_back(entry);
    }
}

bool UringBackend::prepare(const Entry& entry) {
    io_uring_sqe* const queued = ::io_uring_get_sqe(&ring_);
    if (queued == nullptr) {
        return false;
    }
    if (entry.cancel) {
        ::io_uring_prep_cancel(queued, entry.completion, 0);
        ::io_uring_sqe_set_data(queued, &backlog_);  // nobody waits for a cancel's own completion
    } else {
        prepare_request(queued, entry.request);
        ::io_uring_sqe_set_data(queued, entry.completion);
    }
    return true;
}

void UringBackend::wait(std::optional<Deadline> deadline) {
    while (!backlog_.empty() && prepare(backlog_.front())) {
        backlog_.pop_front();
    }
    enter(backlog_.empty() ? deadline : std::nullopt);
    hand_out_completions();
}

void UringBackend::enter(std::optional<Deadline> deadline) {
    int result = 0;
    if (!deadline.has_value()) {
        result = ::io_uring_submit_and_get_events(&ring_);
    } else if (*deadline == kNoDeadline) {
        result = ::io_uring_submit_and_wait(&ring_, 1);
    } else {
        const auto left = std::max<Clock::duration>(*deadline - Clock::now(), {});
        const auto left_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
        __kernel_timespec timeout{.tv_sec = left_ns / std::nano::den,
                                  .tv_nsec = left_ns % std::nano::den};
        io_uring_cqe* first = nullptr;
        result = ::io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
    }
    if (result >= 0 || result == -EINTR || result == -ETIME || result == -EBUSY) {
        return;  // EBUSY: completions have to be handed out first
    }
    if (result == -EAGAIN || result == -ENOMEM) {
        // The kernel is out of memory. What is queued stays queued.
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return;
    }
    log::error("io_uring_enter", {{"errno", -result}});
    std::abort();  // the ring was misused; nothing could be waited for any more
}

void UringBackend::hand_out_completions() {
    io_uring_cqe* entry = nullptr;
    while (::io_uring_peek_cqe(&ring_, &entry) == 0) {
        void* const whose = ::io_uring_cqe_get_data(entry);
        const std::int32_t result = entry->res;
        ::io_uring_cqe_seen(&ring_, entry);
        if (whose == &backlog_) {
            continue;
        }
        if (whose != nullptr) {
            static_cast<IoCompletion*>(whose)->complete(result);
            continue;
        }
        eventfd_t wakes = 0;
        ::eventfd_read(wake_fd_.get(), &wakes);
        watch_wake_fd();
    }
}

void UringBackend::wake() {
    ::eventfd_write(wake_fd_.get(), 1);  // cannot fail below 2^64 - 1 wakes
}

Error setup_error(int error_number) {
    Error error = errno_error("io_uring_setup", error_number);
    switch (error_number) {
        case EPERM:
        case EACCES:
            error.message +=
                " (io_uring is forbidden here: by sysctl kernel.io_uring_disabled, or by the "
                "seccomp "
                "profile of the container, as Docker's and containerd's defaults do)";
            break;
        case ENOSYS:
            error.message +=
                " (this kernel has no io_uring, or a seccomp profile hides it; Linux 5.11 is "
                "needed)";
            break;
        case ENOMEM: error.message += " (raise the limit of locked memory: ulimit -l)"; break;
        default: break;
    }
    return error;
}

}  // namespace

Result<std::unique_ptr<IoBackend>> create_uring_backend() {
    Fd wake_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_fd) {
        return fail(errno_error("eventfd"));
    }
    // From the newest kernel's best to what every kernel has.
    constexpr unsigned kSize = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    constexpr unsigned kLadder[] = {
        kSize | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED,
        kSize | IORING_SETUP_COOP_TASKRUN,
        kSize,
    };
    int result = -EINVAL;
    for (const unsigned flags : kLadder) {
        io_uring ring{};
        io_uring_params parameters{};
        parameters.flags = flags;
        parameters.cq_entries = kCompletionEntries;
        result = ::io_uring_queue_init_params(kQueueEntries, &ring, &parameters);
        if (result == 0) {
            const bool disabled = (flags & IORING_SETUP_R_DISABLED) != 0;
            auto backend = std::make_unique<UringBackend>(ring, disabled, std::move(wake_fd));
            if ((parameters.features & kNeededFeatures) != kNeededFeatures) {
                return fail(setup_error(ENOSYS));
            }
            return backend;
        }
        if (result != -EINVAL) {
            break;
        }
    }
    return fail(setup_error(-result));
}

}  // namespace lazybuild::io
