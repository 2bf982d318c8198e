// SPDX-License-Identifier: Apache-2.0
// The meaning of the disks' mount: what each FUSE request is answered with. No I/O of its own, and
// no state: node numbers say everything. Part of DiskServer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "fuse/disk_backend.h"
#include "fuse/requests.h"

namespace lazybuild::fuse {

/// What is answered to the kernel's INIT: the capabilities that are used, and the limits.
struct InitAnswer {
    Bytes payload;
    bool resend = false;  ///< the kernel can be told to send unanswered requests again (Linux 6.9)
};
/// Errors: not_supported for kernels that speak a protocol before 7.31 (Linux 5.4).
Result<InitAnswer> negotiate(const InitRequest& request, unsigned max_background);

/// Answers requests about the disks of a backend. Threads: any.
class DiskFilesystem {
  public:
    /// `backend` outlives it.
    explicit DiskFilesystem(DiskBackend& backend) : backend_(backend) {}

    /// Answers one request through `port`, at once, but for reads of disks: the backend answers
    /// those. Requests that nobody waits for are not answered.
    void handle(const Request& request, const std::shared_ptr<ReplyPort>& port);

  private:
    std::optional<std::uint64_t> size_bytes(std::uint64_t node);
    void lookup(const Request& request, const LookupRequest& lookup, ReplyPort& port);
    void get_attributes(const Request& request, ReplyPort& port);
    void open(const Request& request, const OpenRequest& open, ReplyPort& port);
    void statfs(const Request& request, ReplyPort& port);
    void read_disk(const Request& request, const ReadRequest& read,
                   const std::shared_ptr<ReplyPort>& port);
    void read_directory(const Request& request, const ReadRequest& read, ReplyPort& port);

    DiskBackend& backend_;
};

}  // namespace lazybuild::fuse
