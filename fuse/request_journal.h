// SPDX-License-Identifier: Apache-2.0
// The requests that a disk server has taken from the kernel and not yet answered, in memory that
// outlives the process (a memfd that a keeper holds too). Reading a request takes it off the
// kernel's queue; without a record of it, whoever asked would wait for ever when the server dies.
//
// There is no moment without a record. Each serving thread has the kernel write requests straight
// into its *landing*, a buffer of the journal, so that the kernel itself makes the first record. A
// read of a disk, which may wait for the network, is then copied into a *slot* (32 bytes instead of
// 64 KiB), and only then may the landing be used again. Everything else is answered while it lies
// in the landing. A slot is freed after the answer has been written. A request whose record
// outlived its answer is answered twice, which the kernel refuses (ENOENT): it never uses a number
// again.
//
//   offset             size
//        0             4096  header: magic, version, counts, what was negotiated
//     4096        slots * 32  number, node, offset, size; number 0: free
//      ...  landings * 64 Ki  as read from /dev/fuse; length 0: empty
//
// Native-endian: it never leaves the machine. Threads: any, where nothing else is said.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"
#include "fuse/requests.h"

namespace lazybuild::fuse {

inline constexpr unsigned kLandings = 16;
inline constexpr std::uint32_t kSlotsMax = 1 << 17;

/// What is true of a FUSE connection for as long as it lives, whoever serves it.
struct ConnectionFacts {
    std::uint64_t mount_device = 0;  ///< st_dev of what is mounted
    bool resend = false;             ///< FUSE_NOTIFY_RESEND works (Linux 6.9)
};

/// One read of a disk, as the kernel asked for it.
struct TakenRead {
    std::uint64_t unique = 0;
    std::uint64_t node = 0;
    std::uint64_t offset_bytes = 0;
    std::uint32_t size_bytes = 0;
};

class RequestJournal {
  public:
    /// An empty journal with `slots` slots, 1 to kSlotsMax.
    static Result<std::unique_ptr<RequestJournal>> create(std::uint32_t slots,
                                                          const ConnectionFacts& facts);
    /// A predecessor's. Errors: bad_message for what is not a journal, is torn or could shrink
    /// under us; not_supported for one of another version.
    static Result<std::unique_ptr<RequestJournal>> open(Fd memory);
    RequestJournal(const RequestJournal&) = delete;
    RequestJournal& operator=(const RequestJournal&) = delete;
    ~RequestJournal();

    const ConnectionFacts& facts() const { return facts_; }
    /// The memfd, for handing over.
    int memory() const { return memory_.get(); }

    /// Where thread `number` (below kLandings) has the kernel write its next request. Its own.
    MutableByteView landing(unsigned number);
    /// What lies there has been answered or recorded.
    void clear_landing(unsigned number);

    /// A free slot for one read, kept for the caller; waits while there is none, so that requests
    /// stay in the kernel's queue. nullopt once close() was called.
    std::optional<std::uint32_t> reserve();
    /// Gives back a slot that was not needed.
    void release(std::uint32_t slot);
    /// Records `read` in a reserved slot.
    void record(std::uint32_t slot, const TakenRead& read);
    /// The request `unique` has been answered: frees its slot, if it has one.
    void answered(std::uint64_t unique);
    /// Wakes who waits in reserve().
    void close();

    /// Recorded and not answered. After open(): the predecessor's.
    std::vector<TakenRead> unanswered() const;
    /// The requests that lie in the landings and are in no slot. After open() only.
    std::vector<Bytes> landed() const;
    /// Forgets everything: the kernel is about to be asked for all of it again.
    void clear();

  private:
    struct Header;
    struct Slot;
    RequestJournal(Fd memory, std::byte* bytes, std::size_t size_bytes);
    static Result<std::unique_ptr<RequestJournal>> map(Fd memory, std::size_t size_bytes);
    void index_slots();
    Header& header() const;
    Slot& slot(std::uint32_t number) const;
    std::byte* landing_begin(unsigned number) const;

    Fd memory_;
    std::byte* bytes_;
    std::size_t size_bytes_;
    std::uint32_t slots_ = 0;
    ConnectionFacts facts_;

    mutable std::mutex mutex_;  // guards what follows
    std::condition_variable freed_;
    std::vector<std::uint32_t> free_;
    std::unordered_map<std::uint64_t, std::uint32_t> slot_of_;  // by unique
    bool closed_ = false;
};

}  // namespace lazybuild::fuse
