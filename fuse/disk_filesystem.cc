// SPDX-License-Identifier: Apache-2.0
#include "fuse/disk_filesystem.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fuse.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace lazybuild::fuse {
namespace {

constexpr std::uint64_t kRootNode = FUSE_ROOT_ID;
constexpr std::uint32_t kPageBytes = 4096;

constexpr std::uint32_t kNameBytesMax = 20;  // 2^64 in decimal

/// How long the kernel may believe names and attributes without asking. Disks never change; one
/// that has gone is found out by OPEN and READ.
constexpr std::uint64_t kValidSeconds = 24 * 3600;

template <class Structure>
ByteView bytes_of(const Structure& structure) {
    return std::as_bytes(std::span{&structure, 1});
}

void append(Bytes& out, ByteView bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

DiskNumber disk_of(std::uint64_t node) {
    return node - 1;
}
std::uint64_t node_of(DiskNumber disk) {
    return disk + 1;
}

/// "17" is disk 17; "017", "+17" and "17 " are nothing.
std::optional<DiskNumber> parse_name(std::string_view name) {
    DiskNumber disk = 0;
    const char* end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data(), end, disk);
    const bool whole = error == std::errc{} && rest == end && !name.starts_with('0');
    return whole && disk <= kDiskNumberMax ? std::optional{disk} : std::nullopt;
}

fuse_attr root_attributes() {
    fuse_attr attributes{};
    attributes.ino = kRootNode;
    attributes.mode = S_IFDIR | 0700;
    attributes.nlink = 2;
    attributes.blksize = kPageBytes;
    return attributes;
}

fuse_attr disk_attributes(std::uint64_t node, std::uint64_t size_bytes) {
    ASSERT(size_bytes % kPageBytes == 0);
    constexpr std::uint64_t kStatBlockBytes = 512;
    fuse_attr attributes{};
    attributes.ino = node;
    attributes.size = size_bytes;
    attributes.blocks = size_bytes / kStatBlockBytes;
    attributes.mode = S_IFREG | 0400;
    attributes.nlink = 1;
    attributes.blksize = kPageBytes;
    return attributes;
}

void append_directory_entry(Bytes& out, std::uint64_t node, std::uint64_t next_cookie,
                            std::uint32_t type, std::string_view name) {
    fuse_dirent entry{};
    entry.ino = node;
    entry.off = next_cookie;
    entry.namelen = static_cast<std::uint32_t>(name.size());
    entry.type = type >> 12;
    append(out, bytes_of(entry).first(FUSE_NAME_OFFSET));
    append(out, as_bytes(name));
    out.resize(FUSE_DIRENT_ALIGN(out.size()));
}

constexpr std::size_t directory_entry_bytes(std::string_view name) {
    return FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + name.size());
}

}  // namespace

Result<InitAnswer> negotiate(const InitRequest& request, unsigned max_background) {
    constexpr std::uint32_t kMinorMin = 31;
    if (request.major != FUSE_KERNEL_VERSION || request.minor < kMinorMin) {
        return fail(Error{
            .code = std::errc::not_supported,
            .message = fmt::format("the kernel speaks FUSE {}.{}; {}.{} (Linux 5.4) is the oldest "
                                   "that disks are served to",
                                   request.major, request.minor, FUSE_KERNEL_VERSION, kMinorMin)});
    }
    // MAX_PAGES: requests of 1 MiB instead of 128 KiB. ASYNC_DIO: EROFS's reads do not wait for
    // each other. ASYNC_READ and PARALLEL_DIROPS: the same for everybody else.
    // HAS_RESEND: a successor gets what this process dies over. INIT_EXT: there are such high
    // flags.
    constexpr std::uint64_t kWanted = FUSE_ASYNC_READ | FUSE_ASYNC_DIO | FUSE_MAX_PAGES |
                                      FUSE_PARALLEL_DIROPS | FUSE_INIT_EXT | kFuseHasResend;
    const std::uint64_t flags = request.flags & kWanted;
    const auto page_bytes = static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE));
    fuse_init_out reply{};
    reply.major = FUSE_KERNEL_VERSION;
    reply.minor = std::min<std::uint32_t>(request.minor, FUSE_KERNEL_MINOR_VERSION);
    reply.max_readahead = std::min(request.max_readahead_bytes, kReadBytesMax);
    reply.flags = static_cast<std::uint32_t>(flags);
    reply.flags2 = static_cast<std::uint32_t>(flags >> 32);
    reply.max_background = static_cast<std::uint16_t>(max_background);
    reply.congestion_threshold = static_cast<std::uint16_t>(max_background / 4 * 3);
    reply.max_write = kPageBytes;
    reply.time_gran = 1;
    reply.max_pages = static_cast<std::uint16_t>(std::max(kReadBytesMax / page_bytes, 1U));
    const ByteView bytes = bytes_of(reply);
    return InitAnswer{.payload = {bytes.begin(), bytes.end()},
                      .resend = (flags & kFuseHasResend) != 0};
}

void DiskFilesystem::handle(const Request& request, const std::shared_ptr<ReplyPort>& port) {
    if (const auto* read = std::get_if<ReadRequest>(&request.body)) {
        if (read->directory) {
            return read_directory(request, *read, *port);
        }
        return read_disk(request, *read, port);
    }
    if (const auto* name = std::get_if<LookupRequest>(&request.body)) {
        return lookup(request, *name, *port);
    }
    if (std::holds_alternative<GetAttributesRequest>(request.body)) {
        return get_attributes(request, *port);
    }
    if (const auto* flags = std::get_if<OpenRequest>(&request.body)) {
        return open(request, *flags, *port);
    }
    if (std::holds_alternative<StatfsRequest>(request.body)) {
        return statfs(request, *port);
    }
    if (std::holds_alternative<ForgetRequest>(request.body)) {
        return;
    }
    const bool nothing_to_do = std::holds_alternative<ReleaseRequest>(request.body) ||
                               std::holds_alternative<DestroyRequest>(request.body);
    port->send(request.unique, nothing_to_do ? 0 : ENOSYS, {});
}

std::optional<std::uint64_t> DiskFilesystem::size_bytes(std::uint64_t node) {
    const bool possible = node > kRootNode && disk_of(node) <= kDiskNumberMax;
    return possible ? backend_.disk_size_bytes(disk_of(node)) : std::nullopt;
}

void DiskFilesystem::lookup(const Request& request, const LookupRequest& lookup, ReplyPort& port) {
    if (request.node != kRootNode) {
        return port.send(request.unique, ENOTDIR, {});
    }
    const std::uint64_t node = node_of(parse_name(lookup.name).value_or(0));
    const std::optional<std::uint64_t> disk_size_bytes = size_bytes(node);
    if (!disk_size_bytes) {
        return port.send(request.unique, ENOENT, {});
    }
    fuse_entry_out reply{};
    reply.nodeid = node;
    reply.entry_valid = kValidSeconds;
    reply.attr_valid = kValidSeconds;
    reply.attr = disk_attributes(node, *disk_size_bytes);
    port.send(request.unique, 0, bytes_of(reply));
}

void DiskFilesystem::get_attributes(const Request& request, ReplyPort& port) {
    fuse_attr_out reply{};
    reply.attr_valid = kValidSeconds;
    if (request.node == kRootNode) {
        reply.attr = root_attributes();
    } else if (const auto disk_size_bytes = size_bytes(request.node)) {
        reply.attr = disk_attributes(request.node, *disk_size_bytes);
    } else {
        return port.send(request.unique, ENOENT, {});
    }
    port.send(request.unique, 0, bytes_of(reply));
}

void DiskFilesystem::open(const Request& request, const OpenRequest& open, ReplyPort& port) {
    const bool is_root = request.node == kRootNode;
    if (is_root != open.directory) {
        return port.send(request.unique, is_root ? EISDIR : ENOTDIR, {});
    }
    if ((open.flags & O_ACCMODE) != O_RDONLY) {
        return port.send(request.unique, EROFS, {});
    }
    if (!is_root && !size_bytes(request.node)) {
        return port.send(request.unique, ENOENT, {});
    }
    fuse_open_out reply{};
    // Past the page cache even where EROFS does not ask for it (before Linux 6.15): its own page
    // cache has the bytes already, once is enough.
    reply.open_flags = is_root ? 0U : static_cast<std::uint32_t>(FOPEN_DIRECT_IO);
    port.send(request.unique, 0, bytes_of(reply));
}

void DiskFilesystem::statfs(const Request& request, ReplyPort& port) {
    fuse_statfs_out reply{};
    reply.st.bsize = kPageBytes;
    reply.st.frsize = kPageBytes;
    reply.st.namelen = kNameBytesMax;
    port.send(request.unique, 0, bytes_of(reply));
}

void DiskFilesystem::read_disk(const Request& request, const ReadRequest& read,
                               const std::shared_ptr<ReplyPort>& port) {
    const std::optional<std::uint64_t> disk_size_bytes = size_bytes(request.node);
    if (!disk_size_bytes) {
        return port->send(request.unique, ENOENT, {});
    }
    if (read.size_bytes > kReadBytesMax) {
        return port->send(request.unique, EINVAL, {});
    }
    // Only here may an answer be shorter than the question: where the disk ends.
    const std::uint64_t left_bytes =
        *disk_size_bytes - std::min(read.offset_bytes, *disk_size_bytes);
    const auto reply_bytes =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(read.size_bytes, left_bytes));
    if (reply_bytes == 0) {
        return port->send(request.unique, 0, {});
    }
    backend_.read(disk_of(request.node), read.offset_bytes, reply_bytes,
                  ReadReply{port, request.unique, reply_bytes});
}

// The cookie of an entry is its node number (and 0 for "."), so that disks that come and go between
// two requests neither hide nor double others.
void DiskFilesystem::read_directory(const Request& request, const ReadRequest& read,
                                    ReplyPort& port) {
    if (request.node != kRootNode) {
        return port.send(request.unique, ENOTDIR, {});
    }
    const std::size_t reply_bytes_max = std::min(read.size_bytes, kReadBytesMax);
    Bytes reply;
    const auto add = [&](std::uint64_t cookie, std::uint32_t type, std::string_view name) {
        if (cookie < read.offset_bytes) {
            return true;
        }
        if (reply.size() + directory_entry_bytes(name) > reply_bytes_max) {
            return false;
        }
        append_directory_entry(reply, std::max(cookie, kRootNode), cookie + 1, type, name);
        return true;
    };
    bool room = add(0, S_IFDIR, ".") && add(1, S_IFDIR, "..");
    std::vector<DiskNumber> disks = room ? backend_.disks() : std::vector<DiskNumber>{};
    std::ranges::sort(disks);
    for (DiskNumber disk : disks) {
        room = room && add(node_of(disk), S_IFREG, std::to_string(disk));
        if (!room) {
            break;
        }
    }
    port.send(request.unique, 0, reply);
}

}  // namespace lazybuild::fuse
