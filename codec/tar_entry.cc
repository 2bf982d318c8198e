// SPDX-License-Identifier: Apache-2.0
#include "codec/tar_entry.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace lazybuild::codec {
namespace {

using tar_format::Dialect;

Result<std::int64_t> header_number(const tar_format::Block& block, tar_format::Field field,
                                   std::string_view what) {
    const std::optional<std::int64_t> value = tar_format::number_of(block, field);
    if (!value) {
        return fail(corrupt(fmt::format("{} is not a number", what)));
    }
    return *value;
}

// Owners below zero are written by some systems and mean what chown(2) makes of them.
Result<std::uint32_t> owner_id(std::int64_t value, std::string_view what) {
    if (value < std::numeric_limits<std::int32_t>::min() ||
        value > std::numeric_limits<std::uint32_t>::max()) {
        return fail(corrupt(fmt::format("{} {} is out of range", what, value)));
    }
    return static_cast<std::uint32_t>(value);
}

Result<std::uint32_t> device_number(const tar_format::Block& block, tar_format::Field field) {
    TRY(const std::int64_t value, header_number(block, field, "device number"));
    if (value < 0 || value > std::numeric_limits<std::uint32_t>::max()) {
        return fail(corrupt(fmt::format("device number {} is out of range", value)));
    }
    return static_cast<std::uint32_t>(value);
}

// Go before 1.8 wrote a ustar prefix into GNU headers, over the two times that GNU keeps there.
// Like Go's reader since then: it is a prefix when the times make no sense and it is ASCII.
std::string gnu_prefix(const tar_format::Block& block) {
    const auto sane_time = [&block](tar_format::Field field) {
        return block[field.offset_bytes] == std::byte{0} || tar_format::number_of(block, field);
    };
    if (sane_time(tar_format::kGnuAccessTime) && sane_time(tar_format::kGnuChangeTime)) {
        return {};
    }
    std::string prefix = tar_format::text_of(block, tar_format::kPrefix);
    const bool ascii =
        std::ranges::all_of(prefix, [](char letter) { return (letter & 0x80) == 0; });
    return ascii ? prefix : std::string{};
}

std::string header_path(const tar_format::Block& block, Dialect dialect) {
    std::string name = tar_format::text_of(block, tar_format::kName);
    std::string prefix;
    switch (dialect) {
        case Dialect::v7: break;
        case Dialect::ustar: prefix = tar_format::text_of(block, tar_format::kPrefix); break;
        case Dialect::star: prefix = tar_format::text_of(block, tar_format::kStarPrefix); break;
        case Dialect::gnu: prefix = gnu_prefix(block); break;
    }
    return prefix.empty() ? name : prefix + "/" + name;
}

// The first of the texts that says anything.
std::string first_said(std::string first, std::string second, std::string third) {
    if (!first.empty()) {
        return first;
    }
    return second.empty() ? std::move(third) : std::move(second);
}

/// Its payload is not the file's content, but pieces of it behind a map.
Error sparse(std::string_view how) {
    return Error{.code = std::errc::not_supported,
                 .message = fmt::format("a sparse file (GNU, {}), which is not supported", how)};
}

Result<void> set_type(LayerEntry& entry, char type) {
    switch (type) {
        case '0':
        case '7':  // "contiguous", which no system of today knows
            entry.type = FileType::regular;
            return {};
        case '\0':  // version 7 has no type for directories
            entry.type = entry.path.ends_with('/') ? FileType::directory : FileType::regular;
            return {};
        case '1': entry.kind = LayerEntry::Kind::hardlink; return {};
        case '2': entry.type = FileType::symlink; return {};
        case '3': entry.type = FileType::character; return {};
        case '4': entry.type = FileType::block; return {};
        case '5': entry.type = FileType::directory; return {};
        case '6': entry.type = FileType::fifo; return {};
        case 'S': return fail(sparse("type S"));
        default:
            return fail(
                corrupt(fmt::format("unknown entry type 0x{:02x}",
                                    static_cast<unsigned>(static_cast<unsigned char>(type)))));
    }
}

Result<void> set_numbers(LayerEntry& entry, const tar_format::Block& block,
                         const PaxRecords& records, Dialect dialect) {
    TRY(const std::int64_t mode, header_number(block, tar_format::kMode, "mode"));
    TRY(const std::int64_t uid, header_number(block, tar_format::kUid, "uid"));
    TRY(const std::int64_t gid, header_number(block, tar_format::kGid, "gid"));
    TRY(const std::int64_t size, header_number(block, tar_format::kSize, "size"));
    TRY(const std::int64_t mtime, header_number(block, tar_format::kMtime, "mtime"));
    entry.mode = static_cast<std::uint32_t>(mode & 07777);
    TRY(entry.uid, owner_id(records.uid.value_or(uid), "uid"));
    TRY(entry.gid, owner_id(records.gid.value_or(gid), "gid"));
    entry.mtime_s = records.mtime_s.value_or(mtime);
    if (entry.kind == LayerEntry::Kind::file && entry.type == FileType::regular) {
        const std::int64_t size_bytes = records.size_bytes.value_or(size);
        if (size_bytes < 0) {
            return fail(corrupt(fmt::format("size {} is negative", size_bytes)));
        }
        entry.size_bytes = static_cast<std::uint64_t>(size_bytes);
    }
    if (dialect != Dialect::v7) {
        TRY(entry.device_major, device_number(block, tar_format::kDeviceMajor));
        TRY(entry.device_minor, device_number(block, tar_format::kDeviceMinor));
    }
    return {};
}

Result<void> fill(LayerEntry& entry, const tar_format::Block& block, TarExtensions& extensions) {
    PaxRecords& records = extensions.pax;
    if (entry.path.size() > kPathBytesMax) {
        return fail(over_limit(fmt::format("a path of more than {} bytes", kPathBytesMax)));
    }
    CHECK_OK(set_type(entry, static_cast<char>(block[tar_format::kType.offset_bytes])));
    if (records.sparse) {
        return fail(sparse("GNU.sparse records"));
    }
    CHECK_OK(set_numbers(entry, block, records, tar_format::dialect_of(block)));
    if (entry.kind == LayerEntry::Kind::hardlink || entry.type == FileType::symlink) {
        entry.link_target =
            first_said(std::move(extensions.gnu_link_path), std::move(records.link_path),
                       tar_format::text_of(block, tar_format::kLinkName));
    }
    if (entry.link_target.size() > kPathBytesMax) {
        return fail(over_limit(fmt::format("a link of more than {} bytes", kPathBytesMax)));
    }
    entry.xattrs = std::move(records.xattrs);
    return {};
}

}  // namespace

Result<TarEntry> make_tar_entry(const tar_format::Block& block, TarExtensions extensions) {
    constexpr std::size_t kShownBytesMax = 200;
    const Dialect dialect = tar_format::dialect_of(block);
    PaxRecords& records = extensions.pax;
    TarEntry found;
    found.entry.path = first_said(std::move(extensions.gnu_path), std::move(records.path),
                                  header_path(block, dialect));
    if (auto filled = fill(found.entry, block, extensions); !filled) {
        const std::string_view path = found.entry.path;
        return fail(std::move(filled).error().context(
            fmt::format("\"{}\"", path.substr(0, kShownBytesMax))));
    }
    if (dialect != Dialect::v7) {
        found.user_name = tar_format::text_of(block, tar_format::kUserName);
        found.group_name = tar_format::text_of(block, tar_format::kGroupName);
    }
    found.user_name = first_said(std::move(records.user_name), std::move(found.user_name), {});
    found.group_name = first_said(std::move(records.group_name), std::move(found.group_name), {});
    if (found.user_name.size() > kNameBytesMax || found.group_name.size() > kNameBytesMax) {
        return fail(
            over_limit(fmt::format("the name of an owner has more than {} bytes", kNameBytesMax)));
    }
    return found;
}

}  // namespace lazybuild::codec
