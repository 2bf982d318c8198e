// SPDX-License-Identifier: Apache-2.0
#include "fuse/disk_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "fuse/mounts.h"
#include "fuse/requests.h"

namespace lazybuild::fuse {
namespace {

constexpr const char* kMountType = "fuse.lazy-disks";
constexpr std::chrono::milliseconds kInitTimeout = std::chrono::seconds{10};

/// What reading or writing /dev/fuse says once the mount has gone or the connection was aborted.
bool is_gone(int error_number) {
    return error_number == ENODEV || error_number == ECONNABORTED || error_number == EPERM;
}

/// A server that was killed leaves a mount on which every call fails; mkdir and mount too.
Result<void> remove_stale_mounts(const std::string& directory) {
    TRY(const std::vector<MountEntry> mounts, mounts_under(directory));
    for (const MountEntry& mount : mounts) {
        if (mount.target == directory && mount.type == kMountType) {
            CHECK_OK(unmount(directory, UnmountMode::detach));
        }
    }
    return {};
}

Result<Fd> open_fuse_device() {
    Result<Fd> device = open_file("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (!device) {
        Error error = std::move(device).error();
        const bool denied = error.code == std::errc::permission_denied ||
                            error.code == std::errc::operation_not_permitted;
        error.message += denied ? " (needs root)" : " (is the fuse module loaded? modprobe fuse)";
        return fail(std::move(error));
    }
    return device;
}

Result<void> mount_fuse(int device, const std::string& directory) {
    // default_permissions makes the kernel obey the modes that are shown: root alone, whoever asks.
    // allow_other because EROFS reads in the name of whoever reads the file above.
    const std::string options = fmt::format(
        "fd={},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions,max_read={}",
        device, kReadBytesMax);
    constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;
    if (::mount("lazy-disks", directory.c_str(), kMountType, kFlags, options.c_str()) != 0) {
        const int failure = errno;
        Error error = errno_error(fmt::format("mount the disks (FUSE) on {}", directory), failure);
        error.message += failure == EPERM ? " (needs CAP_SYS_ADMIN)" : "";
        return fail(std::move(error));
    }
    return {};
}

}  // namespace

/// /dev/fuse, shared with the replies that are still out. Closing it is what aborts the connection,
/// so it is closed under a lock that writers share: a late reply must not hit a reused descriptor.
class DiskServer::Connection final : public ReplyPort {
  public:
    explicit Connection(Fd device) : device_(std::move(device)) {}

    /// For the server's own threads, which end before close().
    int device() const { return device_.get(); }

    void close() {
        std::unique_lock lock{mutex_};
        device_.reset();
    }

    void send(std::uint64_t unique, int errno_value, ByteView payload) override {
        std::shared_lock lock{mutex_};
        if (!device_) {
            return;
        }
        const int failure = write_reply(unique, errno_value, payload);
        // ENOENT: whoever asked was killed meanwhile.
        if (failure == 0 || failure == ENOENT || is_gone(failure)) {
            return;
        }
        log::error("kernel refused a FUSE reply",
                   {{"error", errno_error("write", failure).message}, {"bytes", payload.size()}});
        if (errno_value == 0) {
            write_reply(unique, EIO, {});  // no reader may wait for ever
        }
    }

  private:
    int write_reply(std::uint64_t unique, int errno_value, ByteView payload) const {
        fuse_out_header header{};
        header.len = static_cast<std::uint32_t>(sizeof header + payload.size());
        header.error = -errno_value;
        header.unique = unique;
        const std::array<iovec, 2> parts{
            {{.iov_base = &header, .iov_len = sizeof header},
             {.iov_base = const_cast<std::byte*>(payload.data()), .iov_len = payload.size()}}};
        return ::writev(device_.get(), parts.data(), payload.empty() ? 1 : 2) < 0 ? errno : 0;
    }

    std::shared_mutex mutex_;
    Fd device_;
};

Result<std::unique_ptr<DiskServer>> DiskServer::mount(std::string directory, DiskBackend& backend,
                                                      DiskServerOptions options) {
    ASSERT(options.threads > 0 && options.max_background > 0 && options.max_background <= 0xFFFF);
    if (const std::size_t slash = directory.rfind('/'); slash != directory.npos && slash > 0) {
        CHECK_OK(make_directories(directory.substr(0, slash)));
    }
    TRY(std::string place, resolve_mount_point(directory));
    std::unique_ptr<DiskServer> server{new DiskServer{std::move(place), backend}};
    CHECK_OK(server->start(options));
    return server;
}

DiskServer::DiskServer(std::string directory, DiskBackend& backend)
    : directory_(std::move(directory)), filesystem_(backend) {}

std::string DiskServer::disk_path(DiskNumber disk) const {
    return fmt::format("{}/{}", directory_, disk);
}

Result<void> DiskServer::start(const DiskServerOptions& options) {
    CHECK_OK(remove_stale_mounts(directory_));
    CHECK_OK(make_directories(directory_, 0700));
    TRY(Fd device, open_fuse_device());
    stop_event_ = Fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (!stop_event_) {
        return fail(errno_error("eventfd"));
    }
    CHECK_OK(mount_fuse(device.get(), directory_));
    mounted_ = true;
    connection_ = std::make_shared<Connection>(std::move(device));
    CHECK_OK(answer_init(options));
    for (unsigned i = 0; i < options.threads; ++i) {
        threads_.emplace_back([this] { serve(); });
    }
    return {};
}

/// INIT comes first and alone: the kernel holds everything else back until it is answered.
Result<void> DiskServer::answer_init(const DiskServerOptions& options) {
    pollfd waiting{.fd = connection_->device(), .events = POLLIN, .revents = 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(kInitTimeout.count()));
    if (ready <= 0) {
        return fail(errno_error("wait for FUSE INIT", ready == 0 ? ETIMEDOUT : errno));
    }
    Bytes buffer(kRequestBytesMax);
    const ssize_t size = ::read(connection_->device(), buffer.data(), buffer.size());
    if (size < 0) {
        return fail(errno_error("read FUSE INIT"));
    }
    TRY(const Request request,
        decode_request(ByteView{buffer}.first(static_cast<std::size_t>(size))));
    const auto* init = std::get_if<InitRequest>(&request.body);
    if (init == nullptr) {
        return fail(corrupt("the kernel's first FUSE request is not INIT"));
    }
    TRY(const Bytes reply, negotiate(*init, options.max_background));
    connection_->send(request.unique, 0, reply);
    return {};
}

DiskServer::~DiskServer() {
    stopping_ = true;
    // Detached while still served: the way to a mount point may ask the server itself.
    if (mounted_) {
        if (auto unmounted = unmount(directory_, UnmountMode::detach); !unmounted) {
            log::warning("disks stay mounted", {{"error", unmounted.error().message}});
        }
    }
    if (stop_event_) {
        ::eventfd_write(stop_event_.get(), 1);
    }
    for (std::thread& thread : threads_) {
        thread.join();
    }
    if (connection_) {
        connection_->close();
    }
}

Result<bool> DiskServer::unmount_unused() {
    if (mounted_) {
        if (auto unmounted = unmount(directory_, UnmountMode::now); !unmounted) {
            if (unmounted.error().code == std::errc::device_or_resource_busy) {
                return false;
            }
            return fail(std::move(unmounted).error());
        }
        mounted_ = false;
    }
    return true;
}

void DiskServer::serve() {
    Bytes buffer(kRequestBytesMax);
    for (;;) {
        std::array<pollfd, 2> waiting{
            {{.fd = connection_->device(), .events = POLLIN, .revents = 0},
             {.fd = stop_event_.get(), .events = POLLIN, .revents = 0}}};
        if (::poll(waiting.data(), waiting.size(), -1) < 0) {
            ASSERT(errno == EINTR || errno == ENOMEM || errno == EAGAIN);
            continue;
        }
        if (waiting[1].revents != 0) {
            return;
        }
        if (!serve_waiting(buffer)) {
            return;
        }
    }
}

/// Handles requests that have come; false when no more will.
bool DiskServer::serve_waiting(MutableByteView buffer) {
    // Not for ever: somebody may want the server to stop.
    constexpr int kRequestsMax = 64;
    for (int i = 0; i < kRequestsMax; ++i) {
        const ssize_t size = ::read(connection_->device(), buffer.data(), buffer.size());
        if (size < 0) {
            // ENOENT: taken back while it was being read.
            const int failure = errno;
            const bool later = failure == EAGAIN || failure == EINTR || failure == ENOENT;
            if (!later && !stopping_) {
                log::error("disks are gone, lazy layers read EIO from now on",
                           {{"error", errno_error("read /dev/fuse", failure).message},
                            {"directory", directory_}});
            }
            return later;
        }
        const ByteView bytes = ByteView{buffer}.first(static_cast<std::size_t>(size));
        Result<Request> request = decode_request(bytes);
        if (request) {
            filesystem_.handle(*request, connection_);
            continue;
        }
        log::error("FUSE request that makes no sense", {{"error", request.error().message}});
        if (auto unique = request_unique(bytes)) {
            connection_->send(*unique, EINVAL, {});
        }
    }
    return true;
}

}  // namespace lazybuild::fuse
