// SPDX-License-Identifier: Apache-2.0
// The three shapes in which bytes move between rooms, so that a codec need not know whether they
// come from a socket, a file or a test.
//
// Ownership: implementations own what they read or write; callers own the buffers.
// Threads: one caller at a time, except RandomAccess::read_at, which any thread may call.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace lazybuild {

/// Bytes in order, once.
class ByteSource {
  public:
    virtual ~ByteSource() = default;
    /// Fills a prefix of `out` (not empty) and returns its length; 0 only at the end.
    virtual Result<std::size_t> read(MutableByteView out) = 0;
};

/// Bytes to be taken in order. All of `bytes` is taken, or the call fails.
class ByteSink {
  public:
    virtual ~ByteSink() = default;
    virtual Result<void> write(ByteView bytes) = 0;
};

/// Bytes that can be read anywhere.
class RandomAccess {
  public:
    virtual ~RandomAccess() = default;
    virtual std::uint64_t size_bytes() const = 0;
    /// Fills all of `out` from `offset_bytes`; past the end is an Error.
    virtual Result<void> read_at(std::uint64_t offset_bytes, MutableByteView out) const = 0;
};

/// Fills `out` from `source`; fewer bytes than asked for only at the end. Returns the bytes read.
Result<std::size_t> read_full(ByteSource& source, MutableByteView out);

/// A ByteSource over bytes in memory that outlive it.
class MemorySource final : public ByteSource {
  public:
    explicit MemorySource(ByteView bytes) : rest_(bytes) {}
    Result<std::size_t> read(MutableByteView out) override;

  private:
    ByteView rest_;
};

/// A ByteSink into a growing buffer that it owns.
class MemorySink final : public ByteSink {
  public:
    Result<void> write(ByteView bytes) override;
    const Bytes& bytes() const { return bytes_; }
    Bytes take() && { return std::move(bytes_); }

  private:
    Bytes bytes_;
};

/// A RandomAccess over bytes in memory that outlive it.
class MemoryAccess final : public RandomAccess {
  public:
    explicit MemoryAccess(ByteView bytes) : bytes_(bytes) {}
    std::uint64_t size_bytes() const override { return bytes_.size(); }
    Result<void> read_at(std::uint64_t offset_bytes, MutableByteView out) const override;

  private:
    ByteView bytes_;
};

}  // namespace lazybuild
