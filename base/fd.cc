// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <sys/stat.h>
#include <unistd.h>

namespace lazybuild {

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this != &other) {
        reset();
        number_ = std::exchange(other.number_, -1);
    }
    return *this;
}

void Fd::reset() {
    if (number_ >= 0) {
        ::close(number_);
        number_ = -1;
    }
}

Result<std::size_t> pread_full(int fd, MutableByteView out, std::uint64_t offset_bytes) {
    std::size_t filled = 0;
    while (filled < out.size()) {
        const ssize_t count = ::pread(fd, out.data() + filled, out.size() - filled,
                                      static_cast<off_t>(offset_bytes + filled));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return fail(errno_error("pread"));
        }
        if (count == 0) {
            break;
        }
        filled += static_cast<std::size_t>(count);
    }
    return filled;
}

Result<void> pwrite_all(int fd, ByteView bytes, std::uint64_t offset_bytes) {
    std::size_t written = 0;
    while (written < bytes.size()) {
        const ssize_t count = ::pwrite(fd, bytes.data() + written, bytes.size() - written,
                                       static_cast<off_t>(offset_bytes + written));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return fail(errno_error("pwrite"));
        }
        written += static_cast<std::size_t>(count);
    }
    return {};
}

Result<void> write_all(int fd, ByteView bytes) {
    std::size_t written = 0;
    while (written < bytes.size()) {
        const ssize_t count = ::write(fd, bytes.data() + written, bytes.size() - written);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return fail(errno_error("write"));
        }
        written += static_cast<std::size_t>(count);
    }
    return {};
}

Result<FdAccess> FdAccess::open(int fd) {
    struct stat status{};
    if (::fstat(fd, &status) != 0) {
        return fail(errno_error("fstat"));
    }
    return FdAccess{fd, static_cast<std::uint64_t>(status.st_size)};
}

Result<void> FdAccess::read_at(std::uint64_t offset_bytes, MutableByteView out) const {
    TRY(const std::size_t count, pread_full(fd_, out, offset_bytes));
    if (count != out.size()) {
        return fail(corrupt("read past the end of the file"));
    }
    return {};
}

Result<std::size_t> FdSource::read(MutableByteView out) {
    while (true) {
        const ssize_t count = ::read(fd_, out.data(), out.size());
        if (count >= 0) {
            return static_cast<std::size_t>(count);
        }
        if (errno != EINTR) {
            return fail(errno_error("read"));
        }
    }
}

}  // namespace lazybuild
