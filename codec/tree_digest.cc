// SPDX-License-Identifier: Apache-2.0
#include "codec/tree_digest.h"

#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "codec/sha256.h"
#include "codec/tree_walk.h"

namespace lazybuild::codec {
namespace {

constexpr std::string_view kSchema = "lazybuild tree 2";
constexpr std::size_t kBufferBytes = 64 << 10;

/// Collects small pieces, so that the digest is fed large ones.
class Writer {
  public:
    Writer() { buffer_.reserve(kBufferBytes + 4096); }

    void tag(char letter) { buffer_.push_back(static_cast<std::byte>(letter)); }
    void number(std::uint64_t value) {
        const std::size_t end = buffer_.size();
        buffer_.resize(end + sizeof value);
        store_le<std::uint64_t>(buffer_, end, value);
    }
    void raw(ByteView bytes) {
        buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
        if (buffer_.size() >= kBufferBytes) {
            flush();
        }
    }
    void text(std::string_view value) {
        number(value.size());
        raw(as_bytes(value));
    }
    Digest finish() {
        flush();
        return running_.finish();
    }

  private:
    void flush() {
        running_.update(buffer_);
        buffer_.clear();
    }

    Bytes buffer_;
    Sha256 running_;
};

/// What names a regular file's bytes; nullopt when it is cut otherwise.
std::optional<Digest> name_content(const FileTree& tree, const Node& file) {
    const std::span chunks = std::span{tree.chunks}.subspan(file.first_chunk, file.chunk_count);
    const std::uint64_t pieces = file.size_bytes == 0 ? 0 : (file.size_bytes - 1) / kPieceBytes + 1;
    if (chunks.size() != pieces) {
        return std::nullopt;
    }
    if (pieces == 0) {
        static const Digest kNothing = sha256({});
        return kNothing;
    }
    if (pieces == 1) {
        return chunks.front().digest;
    }
    Sha256 running;
    for (const Chunk& chunk : chunks) {
        if (chunk.file_offset_bytes % kPieceBytes != 0) {
            return std::nullopt;
        }
        running.update(chunk.digest.raw());
    }
    return running.finish();
}

void write_file(const Node& node, const Digest& content, Writer& out) {
    out.tag('f');
    out.number(std::to_underlying(node.type));
    out.number(node.opaque ? 1 : 0);
    out.number(node.whiteout ? 1 : 0);
    out.number(node.synthesised ? 1 : 0);
    out.number(node.made_in_synthesised ? 1 : 0);
    out.number(node.mode);
    out.number(node.uid);
    out.number(node.gid);
    out.number(static_cast<std::uint64_t>(node.mtime_s));
    out.number(node.size_bytes);
    out.raw(content.raw());
    out.number(node.device_major);
    out.number(node.device_minor);
    out.text(node.link_target);
    out.number(node.xattrs.size());
    for (const Xattr& xattr : node.xattrs) {
        out.text(xattr.name);
        out.text(xattr.value);
    }
}

}  // namespace

std::optional<Digest> tree_digest(const FileTree& tree) {
    constexpr std::uint32_t kNotYet = std::numeric_limits<std::uint32_t>::max();
    Writer out;
    out.text(kSchema);
    out.number(tree.opaque_over_synthesised ? 1 : 0);
    std::vector<std::uint32_t> first_names(tree.nodes.size(), kNotYet);
    std::uint32_t names = 0;
    TreeWalk walk(tree);
    while (const auto step = walk.next()) {
        if (step->leaves) {
            out.tag('e');
            continue;
        }
        out.tag('n');
        out.text(step->name);
        std::uint32_t& first = first_names[step->node];
        if (first != kNotYet) {
            out.tag('l');
            out.number(first);
        } else {
            first = names;
            const Node& node = tree.nodes[step->node];
            const std::optional<Digest> content =
                node.type == FileType::regular ? name_content(tree, node) : Digest{};
            if (!content) {
                return std::nullopt;
            }
            write_file(node, *content, out);
        }
        ++names;
    }
    return out.finish();
}

}  // namespace lazybuild::codec
