// SPDX-License-Identifier: Apache-2.0
#include "fuse/disk_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <ranges>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "fuse/mounts.h"
#include "fuse/requests.h"

namespace lazybuild::fuse {
namespace {

constexpr const char* kMountType = "fuse.lazy-disks";
constexpr std::chrono::milliseconds kInitTimeout = std::chrono::seconds{10};

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

/// Where the server's own mount is in the table; nullopt: nowhere.
Result<std::optional<MountEntry>> find_mount(const std::string& directory) {
    TRY(std::vector<MountEntry> mounts, mounts_under(directory));
    // The topmost is what a path leads to.
    for (MountEntry& mount : mounts | std::views::reverse) {
        if (mount.target == directory) {
            return mount.type == kMountType ? std::optional{std::move(mount)} : std::nullopt;
        }
    }
    return std::nullopt;
}

std::uint64_t device_of(const MountEntry& mount) {
    return gnu_dev_makedev(mount.device_major, mount.device_minor);
}

/// False once the mount has gone or the connection was aborted.
bool is_alive(int device) {
    pollfd waiting{.fd = device, .events = POLLIN, .revents = 0};
    return ::poll(&waiting, 1, 0) >= 0 && (waiting.revents & (POLLERR | POLLNVAL)) == 0;
}

bool is_fuse_device(int device) {
    constexpr unsigned kMajor = 10, kMinor = 229;
    struct stat status{};
    return ::fstat(device, &status) == 0 && S_ISCHR(status.st_mode) &&
           status.st_rdev == gnu_dev_makedev(kMajor, kMinor);
}

Error gone(std::string message) {
    return Error{std::errc::no_such_device, std::move(message)};
}

}  // namespace

Result<Predecessor> Predecessor::examine(const std::string& directory, Handover handover) {
    TRY(std::unique_ptr<RequestJournal> journal, RequestJournal::open(std::move(handover.journal)));
    TRY(const std::string place, resolve_mount_point(directory));
    TRY(const std::optional<MountEntry> mount, find_mount(place));
    if (!mount || device_of(*mount) != journal->facts().mount_device) {
        return fail(gone(place + " is not the mount of the connection that was kept"));
    }
    if (!is_fuse_device(handover.device.get()) || !is_alive(handover.device.get())) {
        return fail(gone("the FUSE connection that was kept has ended"));
    }
    return Predecessor{std::move(handover.device), std::move(journal)};
}

Result<std::unique_ptr<DiskServer>> DiskServer::mount(const std::string& directory,
                                                      DiskBackend& backend,
                                                      DiskServerOptions options) {
    if (const std::size_t slash = directory.rfind('/'); slash != directory.npos && slash > 0) {
        CHECK_OK(make_directories(directory.substr(0, slash)));
    }
    TRY(std::string place, resolve_mount_point(directory));
    std::unique_ptr<DiskServer> server{new DiskServer{std::move(place), backend, options}};
    CHECK_OK(server->make_connection());
    CHECK_OK(server->start());
    return server;
}

Result<std::unique_ptr<DiskServer>> DiskServer::take_over(const std::string& directory,
                                                          DiskBackend& backend,
                                                          Predecessor predecessor,
                                                          DiskServerOptions options) {
    TRY(std::string place, resolve_mount_point(directory));
    std::unique_ptr<DiskServer> server{new DiskServer{std::move(place), backend, options}};
    server->connection_ = std::make_shared<Connection>(std::move(predecessor.device_),
                                                       std::move(predecessor.journal_));
    if (!server->connection_->journal().facts().resend) {
        server->take_journalled();
    } else {
        CHECK_OK(server->take_resent());
    }
    server->mounted_ = true;
    CHECK_OK(server->start());
    return server;
}

DiskServer::DiskServer(std::string directory, DiskBackend& backend,
                       const DiskServerOptions& options)
    : directory_(std::move(directory)), filesystem_(backend), options_(options) {
    ASSERT(options.threads > 0 && options.threads <= kLandings);
    ASSERT(options.max_background > 0 && options.max_background <= 0xFFFF);
}

std::string DiskServer::disk_path(DiskNumber disk) const {
    return fmt::format("{}/{}", directory_, disk);
}

Result<void> DiskServer::make_connection() {
    CHECK_OK(remove_stale_mounts(directory_));
    CHECK_OK(make_directories(directory_, 0700));
    TRY(Fd device, open_fuse_device());
    CHECK_OK(mount_fuse(device.get(), directory_));
    mounted_ = true;
    TRY(const bool resend, answer_init(device.get()));
    TRY(const std::optional<MountEntry> mount, find_mount(directory_));
    if (!mount) {
        return fail(gone(directory_ + " was unmounted at once"));
    }
    // Beside what waits in the background there are reads of root's own, and each thread's next.
    constexpr std::uint32_t kOthers = 256;
    TRY(std::unique_ptr<RequestJournal> journal,
        RequestJournal::create(options_.max_background + kOthers,
                               {.mount_device = device_of(*mount), .resend = resend}));
    connection_ = std::make_shared<Connection>(std::move(device), std::move(journal));
    return {};
}

/// INIT comes first and alone: the kernel holds everything else back until it is answered. Returns
/// whether the kernel can be told to send requests again.
Result<bool> DiskServer::answer_init(int device) {
    pollfd waiting{.fd = device, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(kInitTimeout.count()));
    if (ready <= 0) {
        return fail(errno_error("wait for FUSE INIT", ready == 0 ? ETIMEDOUT : errno));
    }
    Bytes buffer(kRequestBytesMax);
    const ssize_t size = ::read(device, buffer.data(), buffer.size());
    if (size < 0) {
        return fail(errno_error("read FUSE INIT"));
    }
    TRY(const Request request,
        decode_request(ByteView{buffer}.first(static_cast<std::size_t>(size))));
    const auto* init = std::get_if<InitRequest>(&request.body);
    if (init == nullptr) {
        return fail(corrupt("the kernel's first FUSE request is not INIT"));
    }
    TRY(const InitAnswer answer, negotiate(*init, options_.max_background));
    if (const int failure = write_reply(device, request.unique, 0, answer.payload); failure != 0) {
        return fail(errno_error("answer FUSE INIT", failure));
    }
    return answer.resend && options_.resend;
}

/// Everything that was read and not answered comes again, in front of what is new: the kernel's own
/// list, so the journal's is not needed, and its numbers are no longer valid.
Result<void> DiskServer::take_resent() {
    RequestJournal& journal = connection_->journal();
    takeover_.journalled = journal.unanswered().size() + journal.landed().size();
    journal.clear();
    CHECK_OK(connection_->ask_again());
    constexpr int kOthersMax = 64;  // forgets come in between, and what is new comes behind
    for (int others = 0; others < kOthersMax;) {
        const std::optional<std::uint32_t> slot = journal.reserve();
        const Result<std::uint64_t> unique = serve_one(0, slot.value());
        if (!unique && unique.error().code == std::errc::resource_unavailable_try_again) {
            break;
        }
        const bool again = unique && (*unique & kFuseUniqueResend) != 0;
        takeover_.resent += again ? 1 : 0;
        others += again ? 0 : 1;
    }
    return {};
}

/// Where the kernel cannot send again, the journal says what it waits for.
void DiskServer::take_journalled() {
    RequestJournal& journal = connection_->journal();
    const std::vector<TakenRead> reads = journal.unanswered();
    const std::vector<Bytes> landed = journal.landed();
    takeover_.journalled = reads.size() + landed.size();
    for (const Bytes& bytes : landed) {
        if (const std::optional<std::uint32_t> slot = journal.reserve();
            slot && !handle(bytes, *slot)) {
            journal.release(*slot);
        }
    }
    for (unsigned number = 0; number < kLandings; ++number) {
        journal.clear_landing(number);
    }
    for (const TakenRead& read : reads) {
        filesystem_.handle(
            {.unique = read.unique,
             .node = read.node,
             .body = ReadRequest{.offset_bytes = read.offset_bytes, .size_bytes = read.size_bytes}},
            connection_);
    }
}

Result<void> DiskServer::start() {
    stop_event_ = Fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (!stop_event_) {
        return fail(errno_error("eventfd"));
    }
    for (unsigned number = 0; number < options_.threads; ++number) {
        threads_.emplace_back([this, number] { serve(number); });
    }
    return {};
}

void DiskServer::leave() {
    stop_serving();
    connection_->close();
    mounted_ = false;
}

DiskServer::~DiskServer() {
    stopping_ = true;
    // Detached while still served: the way to a mount point may ask the server itself.
    if (mounted_) {
        if (auto unmounted = unmount(directory_, UnmountMode::detach); !unmounted) {
            log::warning("disks stay mounted", {{"error", unmounted.error().message}});
        }
    }
    stop_serving();
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

void DiskServer::stop_serving() {
    stopping_ = true;
    if (stop_event_) {
        ::eventfd_write(stop_event_.get(), 1);
    }
    if (connection_) {
        connection_->journal().close();
    }
    for (std::thread& thread : threads_) {
        thread.join();
    }
    threads_.clear();
}

void DiskServer::serve(unsigned number) {
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
        if (!serve_waiting(number)) {
            return;
        }
    }
}

/// Handles requests that have come; false when no more will.
bool DiskServer::serve_waiting(unsigned number) {
    // Not for ever: somebody may want the server to stop.
    constexpr int kRequestsMax = 64;
    for (int i = 0; i < kRequestsMax; ++i) {
        // A place first: without one, requests have to stay in the kernel's queue.
        const std::optional<std::uint32_t> slot = connection_->journal().reserve();
        if (!slot) {
            return false;
        }
        const Result<std::uint64_t> served = serve_one(number, *slot);
        if (served) {
            continue;
        }
        // ENOENT: taken back while it was being read.
        const bool later = served.error().code == std::errc::resource_unavailable_try_again ||
                           served.error().code == std::errc::interrupted ||
                           served.error().code == std::errc::no_such_file_or_directory;
        if (!later && !stopping_) {
            log::error("disks are gone, lazy layers read EIO from now on",
                       {{"error", served.error().message}, {"directory", directory_}});
        }
        return later;
    }
    return true;
}

/// Reads one request into landing `number` and handles it; `slot` is used, or given back. Returns
/// the request's number. Errors: those of read(2).
Result<std::uint64_t> DiskServer::serve_one(unsigned number, std::uint32_t slot) {
    RequestJournal& journal = connection_->journal();
    const MutableByteView landing = journal.landing(number);
    const ssize_t size = ::read(connection_->device(), landing.data(), landing.size());
    if (size < 0) {
        const int failure = errno;
        journal.clear_landing(number);
        journal.release(slot);
        return fail(errno_error("read /dev/fuse", failure));
    }
    const ByteView bytes = landing.first(static_cast<std::size_t>(size));
    if (!handle(bytes, slot)) {
        journal.release(slot);
    }
    const std::uint64_t unique = request_unique(bytes).value_or(0);
    journal.clear_landing(number);
    return unique;
}

/// Answers a request, or sees to it that it will be. True when `slot` has it now.
bool DiskServer::handle(ByteView bytes, std::uint32_t slot) {
    const Result<Request> request = decode_request(bytes);
    if (!request) {
        log::error("FUSE request that makes no sense", {{"error", request.error().message}});
        if (auto unique = request_unique(bytes)) {
            connection_->send(*unique, EINVAL, {});
        }
        return false;
    }
    const auto* read = std::get_if<ReadRequest>(&request->body);
    const bool may_wait = read != nullptr && !read->directory;
    if (may_wait) {
        connection_->journal().record(slot, {.unique = request->unique,
                                             .node = request->node,
                                             .offset_bytes = read->offset_bytes,
                                             .size_bytes = read->size_bytes});
    }
    filesystem_.handle(*request, connection_);
    return may_wait;
}

}  // namespace lazybuild::fuse
