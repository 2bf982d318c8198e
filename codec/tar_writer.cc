// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "codec/tar.h"
#include "codec/tar_format.h"
#include "codec/tar_pax.h"

namespace lazybuild::codec {
namespace {

using tar_format::Block;
using tar_format::Field;

constexpr Block kZeros{};

char type_letter(const LayerEntry& entry) {
    if (entry.kind == LayerEntry::Kind::hardlink) {
        return '1';
    }
    switch (entry.type) {
        case FileType::regular: return '0';
        case FileType::symlink: return '2';
        case FileType::character: return '3';
        case FileType::block: return '4';
        case FileType::directory: return '5';
        case FileType::fifo: return '6';
    }
    return '0';
}

// The '/' at which ustar may cut `path` into prefix and name; npos when it cannot be said so.
std::size_t split_point(std::string_view path) {
    if (path.size() > tar_format::kPrefix.size_bytes + 1 + tar_format::kName.size_bytes) {
        return std::string_view::npos;
    }
    // The first slash that leaves a short enough name; the name is never empty.
    const std::size_t least = path.size() - tar_format::kName.size_bytes - 1;
    const std::size_t slash = path.find('/', std::max<std::size_t>(least, 1));
    const bool fits = slash <= tar_format::kPrefix.size_bytes && slash + 1 < path.size();
    return fits ? slash : std::string_view::npos;
}

/// One ustar header under construction, and the records for what does not fit into it.
class HeaderWriter {
  public:
    void path(std::string_view path) {
        if (path.size() <= tar_format::kName.size_bytes) {
            put_text(block_, tar_format::kName, path);
            return;
        }
        const std::size_t slash = split_point(path);
        if (slash == std::string_view::npos) {
            put_text(block_, tar_format::kName, path);
            record("path", path);
            return;
        }
        put_text(block_, tar_format::kPrefix, path.substr(0, slash));
        put_text(block_, tar_format::kName, path.substr(slash + 1));
    }

    void text(Field field, std::size_t size_bytes_max, std::string_view key,
              std::string_view value) {
        if (value.size() <= size_bytes_max) {
            put_text(block_, field, value);
        } else {
            record(key, value);
        }
    }

    void number(Field field, std::string_view key, std::int64_t value) {
        const bool fits = tar_format::fits_octal(field, value);
        tar_format::put_number(block_, field, fits ? static_cast<std::uint64_t>(value) : 0);
        if (!fits) {
            record(key, std::to_string(value));
        }
    }

    void record(std::string_view key, std::string_view value) { records_.emplace_back(key, value); }

    Block& block() { return block_; }

    /// The records in order of their names, so that equal entries are equal bytes.
    std::string records() {
        std::ranges::sort(records_);
        std::string text;
        for (const auto& [key, value] : records_) {
            append_pax_record(text, key, value);
        }
        return text;
    }

  private:
    Block block_{};
    std::vector<std::pair<std::string, std::string>> records_;
};

void finish_block(Block& block, char type) {
    block[tar_format::kType.offset_bytes] = static_cast<std::byte>(type);
    put_text(block, tar_format::kMagic,
             std::string_view{"ustar\0"
                              "00",
                              8});
    tar_format::put_checksum(block);
}

Block extension_block(std::string_view path, std::size_t size_bytes) {
    Block block{};
    // Shown by readers that know no PAX, and otherwise not used.
    std::string name = "PaxHeaders/";
    name += path.substr(0, tar_format::kName.size_bytes);
    put_text(block, tar_format::kName, name);
    put_number(block, tar_format::kMode, 0644);
    put_number(block, tar_format::kUid, 0);
    put_number(block, tar_format::kGid, 0);
    put_number(block, tar_format::kSize, size_bytes);
    put_number(block, tar_format::kMtime, 0);
    put_number(block, tar_format::kDeviceMajor, 0);
    put_number(block, tar_format::kDeviceMinor, 0);
    finish_block(block, 'x');
    return block;
}

void append(Bytes& bytes, ByteView more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
}

}  // namespace

Bytes tar_header(const TarEntry& tar_entry) {
    const LayerEntry& entry = tar_entry.entry;
    const bool is_file = entry.kind == LayerEntry::Kind::file;
    std::string path = entry.path;
    if (is_file && entry.type == FileType::directory && !path.ends_with('/')) {
        path += path.empty() ? "./" : "/";
    }
    const bool has_size = is_file && entry.type == FileType::regular;

    HeaderWriter header;
    header.path(path);
    put_number(header.block(), tar_format::kMode, entry.mode & 07777U);
    header.number(tar_format::kUid, "uid", entry.uid);
    header.number(tar_format::kGid, "gid", entry.gid);
    header.number(tar_format::kSize, "size",
                  has_size ? static_cast<std::int64_t>(entry.size_bytes) : 0);
    header.number(tar_format::kMtime, "mtime", entry.mtime_s);
    header.text(tar_format::kLinkName, tar_format::kLinkName.size_bytes, "linkpath",
                entry.link_target);
    // These two end in a NUL, unlike the names of files.
    header.text(tar_format::kUserName, tar_format::kUserName.size_bytes - 1, "uname",
                tar_entry.user_name);
    header.text(tar_format::kGroupName, tar_format::kGroupName.size_bytes - 1, "gname",
                tar_entry.group_name);
    put_number(header.block(), tar_format::kDeviceMajor, entry.device_major);
    put_number(header.block(), tar_format::kDeviceMinor, entry.device_minor);
    for (const Xattr& xattr : entry.xattrs) {
        header.record(std::string{kPaxXattrPrefix} + xattr.name, xattr.value);
    }
    finish_block(header.block(), type_letter(entry));

    Bytes bytes;
    if (const std::string records = header.records(); !records.empty()) {
        append(bytes, extension_block(path, records.size()));
        append(bytes, as_bytes(records));
        append(bytes, tar_padding(records.size()));
    }
    append(bytes, header.block());
    return bytes;
}

ByteView tar_padding(std::uint64_t size_bytes) {
    return ByteView{kZeros}.first(align_up(size_bytes, kTarBlockBytes) - size_bytes);
}

ByteView tar_end() {
    static constexpr std::array<std::byte, 2 * kTarBlockBytes> kEnd{};
    return kEnd;
}

}  // namespace lazybuild::codec
