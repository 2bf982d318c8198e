// SPDX-License-Identifier: Apache-2.0
// A /dev/fuse descriptor and the journal of what was read from it: what a disk server is made of,
// and what outlives it. Part of DiskServer.
#pragma once

#include <memory>
#include <shared_mutex>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "fuse/disk_backend.h"
#include "fuse/request_journal.h"

namespace lazybuild::fuse {

/// Duplicates of both descriptors, for a keeper, and from it for a successor.
struct Handover {
    Fd device;   ///< /dev/fuse
    Fd journal;  ///< see request_journal.h
};

/// Shared with the replies that are still out. Closing the device is what aborts the connection
/// (when nobody keeps a duplicate), so it is closed under a lock that writers share: a late reply
/// must not hit a reused descriptor. Threads: any.
class Connection final : public ReplyPort {
  public:
    Connection(Fd device, std::unique_ptr<RequestJournal> journal);

    /// For the server's own threads, which end before close().
    int device() const { return device_.get(); }
    RequestJournal& journal() { return *journal_; }

    /// Answers are dropped from now on, and stay in the journal as unanswered.
    void close();
    /// Writes an answer, then takes the request off the journal.
    void send(std::uint64_t unique, int errno_value, ByteView payload) override;
    /// Has the kernel queue everything again that was read and not answered.
    Result<void> ask_again();
    Result<Handover> duplicate() const;

  private:
    mutable std::shared_mutex mutex_;
    Fd device_;
    const std::unique_ptr<RequestJournal> journal_;
};

/// Writes one answer to /dev/fuse. Returns 0 or an errno.
int write_reply(int device, std::uint64_t unique, int errno_value, ByteView payload);

/// True for what reading or writing /dev/fuse says once the mount has gone or was aborted.
bool is_connection_gone(int error_number);

}  // namespace lazybuild::fuse
