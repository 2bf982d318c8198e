// SPDX-License-Identifier: Apache-2.0
// What a DiskServer needs from whoever has the bytes, and how reads are answered.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"

namespace lazybuild::fuse {

/// Which disk. Chosen by the backend, from 1 to kDiskNumberMax, never used twice while the server
/// lives: the kernel remembers what it has seen. The FUSE node of disk n is n + 1 (1 is the root).
using DiskNumber = std::uint64_t;
inline constexpr DiskNumber kDiskNumberMax = std::uint64_t{1} << 62;

/// Where answers go. The server's own is the /dev/fuse connection; tests of backends make theirs.
/// Threads: any. May be called after the server has gone; the answer is dropped then.
class ReplyPort {
  public:
    virtual ~ReplyPort() = default;
    /// `errno_value` 0 is success; a failure has no payload.
    virtual void send(std::uint64_t unique, int errno_value, ByteView payload) = 0;
};

/// The right and the duty to answer one read, once, from any thread, at any time: also after the
/// server has gone. One that is dropped unanswered answers EIO, so that no reader waits for ever.
class ReadReply {
  public:
    ReadReply(std::shared_ptr<ReplyPort> port, std::uint64_t unique, std::uint32_t size_bytes);
    ReadReply(ReadReply&& other) noexcept;
    ReadReply& operator=(ReadReply&& other) noexcept;
    ~ReadReply();

    std::uint32_t size_bytes() const { return size_bytes_; }

    /// Answers with exactly size_bytes() bytes, borrowed until this returns. A short answer would
    /// be zeros in somebody's file, so it is an assertion.
    void data(ByteView bytes);
    /// Answers with an errno, a positive number. Nothing remembers it: the next read asks again.
    void error(int errno_value);

  private:
    void answer(int errno_value, ByteView bytes);

    std::shared_ptr<ReplyPort> port_;  // null once answered
    std::uint64_t unique_ = 0;
    std::uint32_t size_bytes_ = 0;
};

/// What the disks are and what is in them. Called on the server's threads, several at a time; must
/// not wait for the network, and must not touch a lazy mount. Outlives the server.
class DiskBackend {
  public:
    virtual ~DiskBackend() = default;
    /// A multiple of 4096 that never changes; nullopt: there is no such disk.
    virtual std::optional<std::uint64_t> disk_size_bytes(DiskNumber disk) = 0;
    /// All disks, in any order.
    virtual std::vector<DiskNumber> disks() = 0;
    /// Bytes [offset, offset + size) of a disk, which lie inside it; size is not 0 and at most
    /// kReadBytesMax. The disk may have gone since it was opened: answer ENOENT or EIO.
    virtual void read(DiskNumber disk, std::uint64_t offset_bytes, std::uint32_t size_bytes,
                      ReadReply reply) = 0;
};
inline constexpr std::uint32_t kReadBytesMax = 1 << 20;

}  // namespace lazybuild::fuse
