// SPDX-License-Identifier: Apache-2.0
#include "fuse/disk_backend.h"

#include <cerrno>
#include <utility>

namespace lazybuild::fuse {

ReadReply::ReadReply(std::shared_ptr<ReplyPort> port, std::uint64_t unique,
                     std::uint32_t size_bytes)
    : port_(std::move(port)), unique_(unique), size_bytes_(size_bytes) {
    ASSERT(port_ != nullptr);
}

ReadReply::ReadReply(ReadReply&& other) noexcept = default;

ReadReply& ReadReply::operator=(ReadReply&& other) noexcept {
    if (this != &other) {
        if (port_) {
            error(EIO);
        }
        port_ = std::move(other.port_);
        unique_ = other.unique_;
        size_bytes_ = other.size_bytes_;
    }
    return *this;
}

ReadReply::~ReadReply() {
    if (port_) {
        error(EIO);
    }
}

void ReadReply::data(ByteView bytes) {
    ASSERT(bytes.size() == size_bytes_);
    answer(0, bytes);
}

void ReadReply::error(int errno_value) {
    ASSERT(errno_value > 0);
    answer(errno_value, {});
}

void ReadReply::answer(int errno_value, ByteView bytes) {
    ASSERT(port_ != nullptr);  // answered twice, or moved from
    std::shared_ptr<ReplyPort> port = std::exchange(port_, nullptr);
    port->send(unique_, errno_value, bytes);
}

}  // namespace lazybuild::fuse
