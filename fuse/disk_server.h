// SPDX-License-Identifier: Apache-2.0
// One FUSE mount that shows a flat directory of read-only files, the "disks": one for each layer,
// named by its decimal number, holding the payloads of the layer's files (design: EROFS metadata
// image in front, disk behind). The kernel does all metadata; what arrives here is reads.
//
// It speaks the raw /dev/fuse protocol (linux/fuse.h), on a fixed number of threads however many
// reads are waiting: a read is handed to the DiskBackend, which answers when it can.
//
// The mount lives as long as the DiskServer: start() and the destructor are where a successor would
// be handed the /dev/fuse descriptor instead.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "fuse/disk_backend.h"
#include "fuse/disk_filesystem.h"

namespace lazybuild::fuse {

struct DiskServerOptions {
    unsigned threads = 2;
    /// Reads the kernel lets wait at a time, over all disks. EROFS's reads are all of this kind and
    /// the limit is per connection: with the kernel's usual 12, one layer whose registry is down
    /// blocks every other layer. At most 65535.
    unsigned max_background = 4096;
};

/// The mounted server. Threads: methods from any.
class DiskServer {
  public:
    /// Mounts on `directory`, which is made (0700) when missing, and serves `backend` from then on.
    /// A disk server's mount that is there already is taken away first, as a killed process's: the
    /// caller makes sure that no other process uses the directory.
    /// Needs CAP_SYS_ADMIN and /dev/fuse. Errors say which of them failed and what to do.
    static Result<std::unique_ptr<DiskServer>> mount(std::string directory, DiskBackend& backend,
                                                     DiskServerOptions options = {});

    DiskServer(const DiskServer&) = delete;
    DiskServer& operator=(const DiskServer&) = delete;
    /// Unmounts, fails every waiting read (also those of EROFS mounts that still use a disk: EIO
    /// from then on), joins the threads. Replies that come later go nowhere.
    ~DiskServer();

    /// Takes the mount away when no EROFS mount uses a disk any more, in whatever mount namespace:
    /// true. Until then nothing changes: false. Errors: those of umount2(2).
    Result<bool> unmount_unused();

    /// "<directory>/<number>", for the device= of an EROFS mount.
    std::string disk_path(DiskNumber disk) const;

  private:
    class Connection;
    DiskServer(std::string directory, DiskBackend& backend);
    Result<void> start(const DiskServerOptions& options);
    Result<void> answer_init(const DiskServerOptions& options);
    void serve();
    bool serve_waiting(MutableByteView buffer);

    std::string directory_;
    DiskFilesystem filesystem_;
    bool mounted_ = false;
    std::atomic<bool> stopping_ = false;
    std::shared_ptr<Connection> connection_;
    Fd stop_event_;
    std::vector<std::thread> threads_;
};

}  // namespace lazybuild::fuse
