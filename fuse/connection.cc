// SPDX-License-Identifier: Apache-2.0
#include "fuse/connection.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <mutex>
#include <utility>

#include "base/log.h"

namespace lazybuild::fuse {

bool is_connection_gone(int error_number) {
    return error_number == ENODEV || error_number == ECONNABORTED || error_number == EPERM;
}

Connection::Connection(Fd device, std::unique_ptr<RequestJournal> journal)
    : device_(std::move(device)), journal_(std::move(journal)) {
    ASSERT(device_ && journal_ != nullptr);
}

void Connection::close() {
    const std::unique_lock lock{mutex_};
    device_.reset();
}

void Connection::send(std::uint64_t unique, int errno_value, ByteView payload) {
    const std::shared_lock lock{mutex_};
    if (!device_) {
        return;
    }
    const int failure = write_reply(device_.get(), unique, errno_value, payload);
    // ENOENT: whoever asked was killed meanwhile, or a predecessor has answered.
    if (failure != 0 && failure != ENOENT && !is_connection_gone(failure)) {
        log::error("kernel refused a FUSE reply",
                   {{"error", errno_error("write", failure).message}, {"bytes", payload.size()}});
        if (errno_value == 0) {
            write_reply(device_.get(), unique, EIO, {});  // no reader may wait for ever
        }
    }
    journal_->answered(unique);
}

int write_reply(int device, std::uint64_t unique, int errno_value, ByteView payload) {
    fuse_out_header header{};
    header.len = static_cast<std::uint32_t>(sizeof header + payload.size());
    header.error = -errno_value;
    header.unique = unique;
    const std::array<iovec, 2> parts{
        {{.iov_base = &header, .iov_len = sizeof header},
         {.iov_base = const_cast<std::byte*>(payload.data()), .iov_len = payload.size()}}};
    return ::writev(device, parts.data(), payload.empty() ? 1 : 2) < 0 ? errno : 0;
}

Result<void> Connection::ask_again() {
    const std::shared_lock lock{mutex_};
    // A notification is an answer to nothing, whose code stands where the errno would.
    if (const int failure = write_reply(device_.get(), 0, -kFuseNotifyResend, {}); failure != 0) {
        return fail(errno_error("FUSE_NOTIFY_RESEND", failure));
    }
    return {};
}

Result<Handover> Connection::duplicate() const {
    const std::shared_lock lock{mutex_};
    Handover handover{.device = Fd{::fcntl(device_.get(), F_DUPFD_CLOEXEC, 0)},
                      .journal = Fd{::fcntl(journal_->memory(), F_DUPFD_CLOEXEC, 0)}};
    if (!handover.device || !handover.journal) {
        return fail(errno_error("duplicate the FUSE connection"));
    }
    return handover;
}

}  // namespace lazybuild::fuse
