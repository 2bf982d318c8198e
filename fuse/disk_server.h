// SPDX-License-Identifier: Apache-2.0
// One FUSE mount that shows a flat directory of read-only files, the "disks": one for each layer,
// named by its decimal number, holding the payloads of the layer's files (design: EROFS metadata
// image in front, disk behind). The kernel does all metadata; what arrives here is reads.
//
// It speaks the raw /dev/fuse protocol (linux/fuse.h), on a fixed number of threads however many
// reads are waiting: a read is handed to the DiskBackend, which answers when it can.
//
// The mount lives as long as somebody holds the /dev/fuse descriptor. A server that is to have a
// successor gives a Handover to a keeper, and the successor takes over from there: no second mount,
// no INIT, and what was read but not answered is answered by it (request_journal.h).
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "fuse/connection.h"
#include "fuse/disk_backend.h"
#include "fuse/disk_filesystem.h"

namespace lazybuild::fuse {

struct DiskServerOptions {
    unsigned threads = 2;
    /// Reads the kernel lets wait at a time, over all disks. EROFS's reads are all of this kind and
    /// the limit is per connection: with the kernel's usual 12, one layer whose registry is down
    /// blocks every other layer. At most 65535.
    unsigned max_background = 4096;
    /// Have the kernel send again what a predecessor left unanswered, where it can (Linux 6.9);
    /// else the journal is all there is.
    bool resend = true;
};

/// A connection that another server has left, looked at and found fit to go on with.
class Predecessor {
  public:
    /// Errors: no_such_device when it serves nothing at `directory` any more; those of
    /// RequestJournal::open.
    static Result<Predecessor> examine(const std::string& directory, Handover handover);

  private:
    friend class DiskServer;
    Predecessor(Fd device, std::unique_ptr<RequestJournal> journal)
        : device_(std::move(device)), journal_(std::move(journal)) {}
    Fd device_;
    std::unique_ptr<RequestJournal> journal_;
};

/// What a server found when it took over.
struct Takeover {
    std::size_t journalled = 0;  ///< requests that the predecessor had taken and not answered
    std::size_t resent = 0;      ///< those that the kernel sent again
};

/// The mounted server. Threads: methods from any.
class DiskServer {
  public:
    /// Mounts on `directory`, which is made (0700) when missing, and serves `backend` from then on.
    /// A disk server's mount that is there already is taken away first, as a killed process's: the
    /// caller makes sure that no other process uses the directory.
    /// Needs CAP_SYS_ADMIN and /dev/fuse. Errors say which of them failed and what to do.
    static Result<std::unique_ptr<DiskServer>> mount(const std::string& directory,
                                                     DiskBackend& backend,
                                                     DiskServerOptions options = {});

    /// Goes on where a predecessor stopped, at the same directory, and sees to what it has left
    /// unanswered before it returns; `backend` has the same disks under the same numbers.
    static Result<std::unique_ptr<DiskServer>> take_over(const std::string& directory,
                                                         DiskBackend& backend,
                                                         Predecessor predecessor,
                                                         DiskServerOptions options = {});

    DiskServer(const DiskServer&) = delete;
    DiskServer& operator=(const DiskServer&) = delete;
    /// Unmounts, fails every waiting read (also those of EROFS mounts that still use a disk: EIO
    /// from then on), joins the threads. Replies that come later go nowhere.
    ~DiskServer();

    /// Takes the mount away when no EROFS mount uses a disk any more, in whatever mount namespace:
    /// true. Until then nothing changes: false. Errors: those of umount2(2).
    Result<bool> unmount_unused();

    /// For a keeper, and by it for a successor.
    Result<Handover> duplicate() const { return connection_->duplicate(); }
    /// Serves no more. The mount, and whoever waits for an answer, stay for a successor: somebody
    /// must hold a Handover. Replies that come later go nowhere.
    void leave();
    /// Nothing, for a server that made its mount itself.
    const Takeover& takeover() const { return takeover_; }

    /// "<directory>/<number>", for the device= of an EROFS mount.
    std::string disk_path(DiskNumber disk) const;

  private:
    DiskServer(std::string directory, DiskBackend& backend, const DiskServerOptions& options);
    Result<void> make_connection();
    Result<bool> answer_init(int device);
    Result<void> start();
    Result<void> take_resent();
    void take_journalled();
    void stop_serving();
    void serve(unsigned number);
    bool serve_waiting(unsigned number);
    Result<std::uint64_t> serve_one(unsigned number, std::uint32_t slot);
    bool handle(ByteView bytes, std::uint32_t slot);

    std::string directory_;
    DiskFilesystem filesystem_;
    const DiskServerOptions options_;
    bool mounted_ = false;
    std::atomic<bool> stopping_ = false;
    std::shared_ptr<Connection> connection_;
    Fd stop_event_;
    Takeover takeover_;
    std::vector<std::thread> threads_;
};

}  // namespace lazybuild::fuse
