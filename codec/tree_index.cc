// SPDX-License-Identifier: Apache-2.0
#include "codec/tree_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "codec/sha256.h"
#include "codec/tree_check.h"
#include "codec/xattrs.h"

namespace lazybuild::codec {
namespace {

constexpr std::string_view kMagic{"LZBTREE\0", 8};
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kOpaqueOverSynthesised = 1;
constexpr std::size_t kBufferBytes = 256 << 10;
constexpr std::size_t kNodeBytesMin = 8;
constexpr std::size_t kXattrsMax = 32768;  // of one inode: names are not empty

enum NodeFlag : std::uint16_t {
    kOpaque = 1,
    kSynthesised = 2,
    kMadeInSynthesised = 4,
    kWhiteout = 8,
    kContent = 16,     // a digest follows
    kPlainChunk = 32,  // the only chunk is the file itself, on its disk
    kXattrs = 64,
};
constexpr std::uint16_t kFlagsKnown = 127;

Chunk plain_chunk(const Node& file) {
    return {.size_bytes = file.size_bytes,
            .blob_offset_bytes = file.disk_offset_bytes,
            .blob_size_bytes = file.size_bytes,
            .digest = file.content};
}

bool is_plain(const FileTree& tree, const Node& file) {
    if (file.chunk_count != 1) {
        return false;
    }
    const Chunk& chunk = tree.chunks[file.first_chunk];
    return chunk.blob_offset_bytes == file.disk_offset_bytes && chunk.file_offset_bytes == 0 &&
           chunk.size_bytes == file.size_bytes && chunk.blob_size_bytes == file.size_bytes &&
           chunk.member_offset_bytes == 0 && chunk.digest == file.content;
}

class Writer {
  public:
    explicit Writer(ByteSink& out) : out_(out) { buffer_.reserve(kBufferBytes * 2); }

    Result<void> write(const FileTree& tree);

  private:
    template <class Integer>
    void fixed(Integer value) {
        const std::size_t end = buffer_.size();
        buffer_.resize(end + sizeof value);
        store_le<Integer>(buffer_, end, value);
    }
    void number(std::uint64_t value) {
        while (value >= 0x80) {
            buffer_.push_back(static_cast<std::byte>(value | 0x80));
            value >>= 7;
        }
        buffer_.push_back(static_cast<std::byte>(value));
    }
    void raw(ByteView bytes) { buffer_.insert(buffer_.end(), bytes.begin(), bytes.end()); }
    void text(std::string_view value) {
        number(value.size());
        raw(as_bytes(value));
    }
    void write_node(const FileTree& tree, const Node& node);
    void write_payload(const FileTree& tree, const Node& file, bool plain);
    Result<void> flush() {
        CHECK_OK(out_.write(buffer_));
        buffer_.clear();
        return {};
    }

    ByteSink& out_;
    Bytes buffer_;
};

Result<void> Writer::write(const FileTree& tree) {
    raw(as_bytes(kMagic));
    fixed<std::uint32_t>(kVersion);
    fixed<std::uint32_t>(tree.opaque_over_synthesised ? kOpaqueOverSynthesised : 0);
    fixed<std::uint32_t>(static_cast<std::uint32_t>(tree.nodes.size()));
    fixed<std::uint32_t>(static_cast<std::uint32_t>(tree.chunks.size()));
    fixed<std::uint64_t>(tree.disk_size_bytes);
    for (const Node& node : tree.nodes) {
        write_node(tree, node);
        if (buffer_.size() >= kBufferBytes) {
            CHECK_OK(flush());
        }
    }
    return flush();
}

void Writer::write_node(const FileTree& tree, const Node& node) {
    const bool plain = is_plain(tree, node);
    const bool known = node.content != Digest{};
    fixed<std::uint8_t>(std::to_underlying(node.type));
    fixed<std::uint16_t>(static_cast<std::uint16_t>(
        (node.opaque ? kOpaque : 0) | (node.synthesised ? kSynthesised : 0) |
        (node.made_in_synthesised ? kMadeInSynthesised : 0) | (node.whiteout ? kWhiteout : 0) |
        (known ? kContent : 0) | (plain ? kPlainChunk : 0) | (node.xattrs.empty() ? 0 : kXattrs)));
    number(node.mode);
    number(node.uid);
    number(node.gid);
    number(node.link_count);
    number(static_cast<std::uint64_t>(node.mtime_s));
    if (known) {
        raw(node.content.raw());
    }
    if (!node.xattrs.empty()) {
        number(node.xattrs.size());
        for (const Xattr& xattr : node.xattrs) {
            text(xattr.name);
            text(xattr.value);
        }
    }
    switch (node.type) {
        case FileType::regular: write_payload(tree, node, plain); break;
        case FileType::symlink: text(node.link_target); break;
        case FileType::character:
        case FileType::block:
            number(node.device_major);
            number(node.device_minor);
            break;
        case FileType::directory:
            number(node.entries.size());
            for (const DirectoryEntry& entry : node.entries) {
                text(entry.name);
                number(entry.node);
            }
            break;
        case FileType::fifo: break;
    }
}

void Writer::write_payload(const FileTree& tree, const Node& file, bool plain) {
    number(file.size_bytes);
    number(file.disk_offset_bytes);
    if (plain) {
        return;
    }
    number(file.chunk_count);
    for (std::uint32_t i = 0; i < file.chunk_count; ++i) {
        const Chunk& chunk = tree.chunks[file.first_chunk + i];
        number(chunk.size_bytes);
        number(chunk.blob_offset_bytes);
        number(chunk.blob_size_bytes);
        number(chunk.member_offset_bytes);
        raw(chunk.digest.raw());
    }
}

Error torn() {
    return corrupt("a tree index that ends too early, or has numbers that are none");
}

class Reader {
  public:
    explicit Reader(ByteView bytes) : rest_(bytes) {}

    Result<FileTree> read();

  private:
    Result<ByteView> take(std::uint64_t size_bytes) {
        if (size_bytes > rest_.size()) {
            return fail(torn());
        }
        const ByteView taken = rest_.first(size_bytes);
        rest_ = rest_.subspan(size_bytes);
        return taken;
    }
    template <class Integer>
    Result<Integer> fixed() {
        TRY(const ByteView bytes, take(sizeof(Integer)));
        return load_le<Integer>(bytes);
    }
    Result<std::uint64_t> number(std::uint64_t max = std::numeric_limits<std::uint64_t>::max());
    Result<std::uint32_t> number32() {
        TRY(const std::uint64_t value, number(std::numeric_limits<std::uint32_t>::max()));
        return static_cast<std::uint32_t>(value);
    }
    Result<std::string> text(std::size_t bytes_max);
    Result<Digest> digest() {
        TRY(const ByteView bytes, take(Digest::kSizeBytes));
        Digest::Raw raw;
        std::ranges::copy(bytes, raw.begin());
        return Digest{raw};
    }
    Result<void> read_node(FileTree& tree);
    Result<void> read_xattrs(Node& node);
    Result<void> read_names(Node& node, std::size_t nodes);
    Result<void> read_payload(FileTree& tree, Node& file, bool plain);

    ByteView rest_;
    std::uint64_t text_bytes_ = 0;
    std::size_t nodes_ = 0;
    std::size_t names_ = 0;
    std::size_t chunks_ = 0;
};

Result<std::uint64_t> Reader::number(std::uint64_t max) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (rest_.empty()) {
            return fail(torn());
        }
        const auto byte = std::to_integer<std::uint64_t>(rest_.front());
        rest_ = rest_.subspan(1);
        const std::uint64_t part = byte & 0x7f;
        // One way to write each number, so that equal trees are equal bytes.
        const bool too_long = (shift > 0 && byte == 0) || (part << shift) >> shift != part;
        if (too_long) {
            return fail(torn());
        }
        value |= part << shift;
        if ((byte & 0x80) == 0) {
            return value <= max ? Result<std::uint64_t>{value} : fail(torn());
        }
    }
    return fail(torn());
}

Result<std::string> Reader::text(std::size_t bytes_max) {
    TRY(const std::uint64_t size, number(bytes_max));
    text_bytes_ += size;
    if (text_bytes_ > kLayerTextBytesMax) {
        return fail(over_limit("a tree index with too much text"));
    }
    TRY(const ByteView bytes, take(size));
    return std::string{as_text(bytes)};
}

Result<FileTree> Reader::read() {
    TRY(const ByteView magic, take(kMagic.size()));
    TRY(const auto version, fixed<std::uint32_t>());
    if (as_text(magic) != kMagic) {
        return fail(corrupt("not a tree index"));
    }
    if (version != kVersion) {
        return fail(Error{.code = std::errc::not_supported,
                          .message = fmt::format("a tree index of version {}", version)});
    }
    TRY(const auto flags, fixed<std::uint32_t>());
    TRY(const auto nodes, fixed<std::uint32_t>());
    TRY(const auto chunks, fixed<std::uint32_t>());
    FileTree tree;
    TRY(tree.disk_size_bytes, fixed<std::uint64_t>());
    tree.opaque_over_synthesised = flags == kOpaqueOverSynthesised;
    if (nodes == 0 || flags > kOpaqueOverSynthesised) {
        return fail(torn());
    }
    if (nodes > kLayerEntriesMax + 1 || chunks > kLayerChunksMax) {
        return fail(over_limit("a tree index of too many files or chunks"));
    }
    if (rest_.size() / kNodeBytesMin < nodes) {
        return fail(torn());
    }
    nodes_ = nodes;
    chunks_ = chunks;
    tree.nodes.reserve(nodes);
    tree.chunks.reserve(std::min<std::size_t>(chunks, rest_.size()));
    for (std::size_t i = 0; i < nodes; ++i) {
        CHECK_OK(read_node(tree));
    }
    if (!rest_.empty() || tree.chunks.size() != chunks) {
        return fail(torn());
    }
    CHECK_OK(check_tree(tree));
    return tree;
}

Result<void> Reader::read_node(FileTree& tree) {
    TRY(const auto type, fixed<std::uint8_t>());
    TRY(const auto flags, fixed<std::uint16_t>());
    if (type > std::to_underlying(FileType::fifo) || flags > kFlagsKnown) {
        return fail(torn());
    }
    Node node{.type = static_cast<FileType>(type),
              .opaque = (flags & kOpaque) != 0,
              .synthesised = (flags & kSynthesised) != 0,
              .made_in_synthesised = (flags & kMadeInSynthesised) != 0,
              .whiteout = (flags & kWhiteout) != 0};
    TRY(node.mode, number32());
    TRY(node.uid, number32());
    TRY(node.gid, number32());
    TRY(node.link_count, number32());
    TRY(const std::uint64_t mtime_s, number(std::numeric_limits<std::int64_t>::max()));
    node.mtime_s = static_cast<std::int64_t>(mtime_s);
    if ((flags & kContent) != 0) {
        TRY(node.content, digest());
        if (node.content == Digest{}) {
            return fail(torn());
        }
    }
    if ((flags & kXattrs) != 0) {
        CHECK_OK(read_xattrs(node));
    }
    switch (node.type) {
        case FileType::regular:
            CHECK_OK(read_payload(tree, node, (flags & kPlainChunk) != 0));
            break;
        case FileType::symlink: {
            TRY(node.link_target, text(kPathBytesMax));
            break;
        }
        case FileType::character:
        case FileType::block: {
            TRY(node.device_major, number32());
            TRY(node.device_minor, number32());
            break;
        }
        case FileType::directory: CHECK_OK(read_names(node, nodes_)); break;
        case FileType::fifo: break;
    }
    const bool stray_flag = (flags & kPlainChunk) != 0 && node.chunk_count != 1;
    if (stray_flag) {
        return fail(torn());
    }
    tree.nodes.push_back(std::move(node));
    return {};
}

Result<void> Reader::read_xattrs(Node& node) {
    TRY(const std::uint64_t count, number(kXattrsMax));
    for (std::uint64_t i = 0; i < count; ++i) {
        Xattr xattr;
        TRY(xattr.name, text(kNameBytesMax));
        TRY(xattr.value, text(kXattrBytesMax));
        node.xattrs.push_back(std::move(xattr));
    }
    return count == 0 ? fail(torn()) : Result<void>{};
}

Result<void> Reader::read_names(Node& node, std::size_t nodes) {
    TRY(const std::uint64_t count, number(kLayerEntriesMax));
    names_ += count;
    if (names_ > kLayerEntriesMax * 2) {
        return fail(over_limit("a tree index of too many names"));
    }
    node.entries.reserve(std::min<std::uint64_t>(count, rest_.size() / 2));
    for (std::uint64_t i = 0; i < count; ++i) {
        DirectoryEntry entry;
        TRY(entry.name, text(kNameBytesMax));
        TRY(entry.node, number32());
        if (entry.node >= nodes) {
            return fail(torn());
        }
        node.entries.push_back(std::move(entry));
    }
    return {};
}

Result<void> Reader::read_payload(FileTree& tree, Node& file, bool plain) {
    TRY(file.size_bytes, number(kDiskBytesMax));
    TRY(file.disk_offset_bytes, number(kDiskBytesMax));
    std::uint64_t count = 1;
    if (!plain) {
        TRY(count, number(chunks_));
    }
    if (count > chunks_ - tree.chunks.size()) {
        return fail(torn());
    }
    file.chunk_count = static_cast<std::uint32_t>(count);
    file.first_chunk = count == 0 ? 0 : static_cast<std::uint32_t>(tree.chunks.size());
    if (plain) {
        tree.chunks.push_back(plain_chunk(file));
        return {};
    }
    std::uint64_t end_bytes = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        Chunk chunk{.file_offset_bytes = end_bytes};
        TRY(chunk.size_bytes, number(file.size_bytes - end_bytes));
        TRY(chunk.blob_offset_bytes, number());
        TRY(chunk.blob_size_bytes, number());
        TRY(chunk.member_offset_bytes, number());
        TRY(chunk.digest, digest());
        end_bytes += chunk.size_bytes;
        tree.chunks.push_back(chunk);
    }
    return is_plain(tree, file) ? fail(torn()) : Result<void>{};
}

}  // namespace

Result<void> write_tree_index(const FileTree& tree, ByteSink& out) {
    return Writer{out}.write(tree);
}

Result<FileTree> read_tree_index(ByteView bytes) {
    return Reader{bytes}.read();
}

}  // namespace lazybuild::codec
