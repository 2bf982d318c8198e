// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/io_operation.h"

#include <cerrno>
#include <optional>

namespace lazybuild::io {
namespace {

/// What to wait for before a request that got EAGAIN is worth another try. None for connect: there,
/// EAGAIN is a full queue at the other end, which polling this end says nothing about.
std::optional<IoRequest::Kind> poll_before(IoRequest::Kind kind) {
    switch (kind) {
        case IoRequest::Kind::accept:
        case IoRequest::Kind::receive:
        case IoRequest::Kind::read: return IoRequest::Kind::poll_readable;
        case IoRequest::Kind::send:
        case IoRequest::Kind::write: return IoRequest::Kind::poll_writable;
        case IoRequest::Kind::connect:
        case IoRequest::Kind::sync_data:
        case IoRequest::Kind::poll_readable:
        case IoRequest::Kind::poll_writable: return std::nullopt;
    }
    return std::nullopt;
}

}  // namespace

void IoOperation::await_suspend(std::coroutine_handle<> awaiting) {
    if (begin(awaiting)) {
        reactor_.backend().submit(request_, *this);
    }
}

int IoOperation::await_resume() const {
    // A request that was asked to end says ECANCELED, or EINTR when a kernel thread had begun it,
    // or EAGAIN when there was nothing yet. Any other result came in time and counts.
    const bool ended = result_ == -ECANCELED || result_ == -EINTR || result_ == -EAGAIN;
    return ended && early_end() != 0 ? -early_end() : result_;
}

void IoOperation::give_up() {
    reactor_.backend().cancel(*this);
}

void IoOperation::complete(std::int32_t result) {
    if (early_end() == 0) {
        if (polling_ && result >= 0) {
            polling_ = false;
            reactor_.backend().submit(request_, *this);
            return;
        }
        if (result == -EINTR) {
            polling_ = false;
            reactor_.backend().submit(request_, *this);
            return;
        }
        const std::optional<IoRequest::Kind> poll = poll_before(request_.kind);
        if (result == -EAGAIN && !polling_ && poll.has_value()) {
            polling_ = true;
            const IoRequest ready{.kind = *poll, .fd = request_.fd};
            reactor_.backend().submit(ready, *this);
            return;
        }
    }
    // A poll that came in time after the wait was ended moved no bytes.
    result_ = polling_ && result >= 0 ? -ECANCELED : result;
    finish();
}

}  // namespace lazybuild::io
