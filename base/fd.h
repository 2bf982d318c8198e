// SPDX-License-Identifier: Apache-2.0
// An owned file descriptor, and reads and writes on it that are never short.
#pragma once

#include <cstdint>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"

namespace lazybuild {

/// Closes its descriptor when it goes. Movable, not copyable. -1 means none.
class Fd {
  public:
    Fd() = default;
    explicit Fd(int number) : number_(number) {}
    Fd(Fd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Fd& operator=(Fd&& other) noexcept;
    ~Fd() { reset(); }

    int get() const { return number_; }
    int release() { return std::exchange(number_, -1); }
    explicit operator bool() const { return number_ >= 0; }
    void reset();

  private:
    int number_ = -1;
};

/// Reads until `out` is full or the file ends; returns the bytes read. Retries EINTR.
Result<std::size_t> pread_full(int fd, MutableByteView out, std::uint64_t offset_bytes);
/// Writes all of `bytes`. Retries EINTR and short writes.
Result<void> pwrite_all(int fd, ByteView bytes, std::uint64_t offset_bytes);
Result<void> write_all(int fd, ByteView bytes);

/// RandomAccess over a descriptor that outlives it; the size is taken when it is made.
class FdAccess final : public RandomAccess {
  public:
    static Result<FdAccess> open(int fd);
    std::uint64_t size_bytes() const override { return size_bytes_; }
    Result<void> read_at(std::uint64_t offset_bytes, MutableByteView out) const override;

  private:
    FdAccess(int fd, std::uint64_t size_bytes) : fd_(fd), size_bytes_(size_bytes) {}
    int fd_;
    std::uint64_t size_bytes_;
};

/// ByteSource over a descriptor that outlives it, from its current position.
class FdSource final : public ByteSource {
  public:
    explicit FdSource(int fd) : fd_(fd) {}
    Result<std::size_t> read(MutableByteView out) override;

  private:
    int fd_;
};

/// ByteSink over a descriptor that outlives it.
class FdSink final : public ByteSink {
  public:
    explicit FdSink(int fd) : fd_(fd) {}
    Result<void> write(ByteView bytes) override { return write_all(fd_, bytes); }

  private:
    int fd_;
};

}  // namespace lazybuild
