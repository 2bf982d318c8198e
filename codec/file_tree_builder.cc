// SPDX-License-Identifier: Apache-2.0
// The rules of a layer, entry by entry. The order of the steps is containerd's (archive/tar.go of
// 1.6), because where entries contradict each other the order is what decides.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "codec/file_tree.h"
#include "codec/lexical_path.h"
#include "codec/sha256.h"
#include "codec/tree_editor.h"
#include "codec/xattrs.h"

namespace lazybuild::codec {
namespace {

constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kWhiteoutMetaPrefix = ".wh..wh.";
constexpr std::string_view kOpaqueMarker = ".wh..wh..opq";

/// Names that eStargz puts into the root of a layer for its own use.
bool is_hidden(std::string_view path) {
    return path == ".prefetch.landmark" || path == ".no.prefetch.landmark" ||
           path == "stargz.index.json";
}

/// What lsetxattr(2) would take and keep on such a file, less what would speak to overlayfs or to
/// the host's security module.
bool may_carry(FileType type, std::string_view xattr) {
    const bool file_or_directory = type == FileType::regular || type == FileType::directory;
    if (xattr.starts_with("user.")) {
        return file_or_directory && !xattr.starts_with("user.overlay.");
    }
    if (xattr == "system.posix_acl_access") {
        return type != FileType::symlink;
    }
    if (xattr == "system.posix_acl_default") {
        return type == FileType::directory;
    }
    return xattr.starts_with("security.") && xattr != "security.selinux";
}

std::int64_t bounded_time(std::int64_t time_s) {
    constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
    constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max() / kNanosecondsPerSecond;
    return time_s < 0 || time_s > kLast ? 0 : time_s;
}

Digest content_of(const LayerEntry& file) {
    if (file.chunks.empty()) {
        static const Digest kNothing = sha256({});
        return kNothing;
    }
    return file.chunks.size() == 1 ? file.chunks.front().digest : file.content.value_or(Digest{});
}

Result<void> check_xattr_names(const std::vector<Xattr>& xattrs) {
    for (const Xattr& xattr : xattrs) {
        if (xattr.name.size() > kNameBytesMax) {
            return fail(over_limit(
                fmt::format("an xattr with a name of more than {} bytes", kNameBytesMax)));
        }
        if (xattr.name.find('\0') != std::string::npos) {
            return fail(corrupt("an xattr with a NUL byte in its name"));
        }
    }
    return {};
}

Result<void> set_attributes(Node& node, LayerEntry& entry) {
    constexpr std::uint32_t kUnchanged = std::numeric_limits<std::uint32_t>::max();  // as chown(2)
    if (node.type != FileType::symlink) {
        node.mode = entry.mode & 07777;
    }
    node.uid = entry.uid == kUnchanged ? node.uid : entry.uid;
    node.gid = entry.gid == kUnchanged ? node.gid : entry.gid;
    node.mtime_s = bounded_time(entry.mtime_s);
    node.synthesised = false;
    CHECK_OK(check_xattr_names(entry.xattrs));
    for (Xattr& xattr : entry.xattrs) {
        if (may_carry(node.type, xattr.name)) {
            node.xattrs.push_back(std::move(xattr));
        }
    }
    sort_xattrs(node.xattrs);
    if (xattr_bytes(node.xattrs) > kXattrBytesMax) {
        return fail(over_limit(fmt::format("xattrs of more than {} bytes", kXattrBytesMax)));
    }
    return {};
}

Result<void> check_chunks(const LayerEntry& entry) {
    if (entry.size_bytes > kDiskBytesMax) {
        return fail(over_limit(fmt::format("a size of {} bytes", entry.size_bytes)));
    }
    std::uint64_t end_bytes = 0;
    for (const Chunk& chunk : entry.chunks) {
        // Nothing overflows: end_bytes is at most the size.
        if (chunk.file_offset_bytes != end_bytes || chunk.size_bytes == 0 ||
            chunk.size_bytes > entry.size_bytes - end_bytes) {
            return fail(corrupt(fmt::format(
                "its chunk at {} (of {} bytes) does not fit: the one "
                "before ends at {}, the file at {}",
                chunk.file_offset_bytes, chunk.size_bytes, end_bytes, entry.size_bytes)));
        }
        end_bytes += chunk.size_bytes;
    }
    if (end_bytes != entry.size_bytes) {
        return fail(corrupt(
            fmt::format("its chunks end at {}, the file at {}", end_bytes, entry.size_bytes)));
    }
    return {};
}

Result<void> check_symlink(const LayerEntry& entry) {
    if (entry.link_target.empty() || entry.link_target.find('\0') != std::string::npos) {
        return fail(corrupt("a symlink whose target is empty or has a NUL byte"));
    }
    if (entry.link_target.size() >= kPathBytesMax) {
        return fail(over_limit(fmt::format("a symlink target of {} bytes or more", kPathBytesMax)));
    }
    return {};
}

}  // namespace

struct FileTreeBuilder::State {
    /// A hard link to what is not there yet: its names hold a placeholder node until finish().
    struct PendingLink {
        std::string path;
        std::string target;
        bool visited = false;
    };

    Result<void> add(LayerEntry& entry);
    Result<void> count(const LayerEntry& entry);
    void make_opaque(NodeId directory);
    Result<void> add_whiteout(NodeId directory, std::string_view name, const LayerEntry& entry);
    Result<void> add_link(NodeId directory, std::string_view name, LayerEntry& entry);
    Result<void> add_file(NodeId directory, std::string_view name, LayerEntry& entry);
    Result<NodeId> resolve(NodeId placeholder);

    TreeEditor editor;
    std::map<NodeId, PendingLink> pending;
    std::map<NodeId, NodeId> resolved;
    std::size_t entries = 0;
    std::uint64_t layer_text_bytes = 0;
    std::size_t opaque_visits = 0;
    bool opaque_over_synthesised = false;
};

Result<void> FileTreeBuilder::State::add(LayerEntry& entry) {
    CHECK_OK(count(entry));
    TRY(const std::string path, clean_path(entry.path));
    if (is_hidden(path)) {
        return {};
    }
    if (path.empty()) {
        const bool directory =
            entry.kind == LayerEntry::Kind::file && entry.type == FileType::directory;
        if (directory) {
            editor.node(kRootNode).mtime_s = bounded_time(entry.mtime_s);
            editor.node(kRootNode).synthesised = false;
        }
        return {};
    }
    const auto [parent, name] = split_path(path);
    if (name.starts_with(kWhiteoutMetaPrefix) && name != kOpaqueMarker) {
        return {};
    }
    TRY(const NodeId directory, editor.make_directory(parent));
    if (name == kOpaqueMarker) {
        make_opaque(directory);
        return {};
    }
    if (name.starts_with(kWhiteoutPrefix)) {
        return add_whiteout(directory, name.substr(kWhiteoutPrefix.size()), entry);
    }
    if (entry.kind == LayerEntry::Kind::hardlink) {
        return add_link(directory, name, entry);
    }
    return add_file(directory, name, entry);
}

Result<void> FileTreeBuilder::State::count(const LayerEntry& entry) {
    if (++entries > kLayerEntriesMax) {
        return fail(over_limit(fmt::format("more than {} entries", kLayerEntriesMax)));
    }
    layer_text_bytes += text_bytes(entry);
    if (layer_text_bytes > kLayerTextBytesMax) {
        return fail(over_limit(
            fmt::format("more than {} bytes of names, links and xattrs", kLayerTextBytesMax)));
    }
    return {};
}

// Markers in ever deeper directories would look at the same nodes again and again; past the limit
// the answer is the careful one.
void FileTreeBuilder::State::make_opaque(NodeId directory) {
    constexpr std::size_t kVisitsMax = 16'000'000;
    if (std::exchange(editor.node(directory).opaque, true)) {
        return;
    }
    std::vector<NodeId> below{directory};
    while (!below.empty() && !opaque_over_synthesised) {
        const NodeId id = below.back();
        below.pop_back();
        for (const DirectoryEntry& entry : editor.node(id).entries) {
            const Node& node = editor.node(entry.node);
            const bool inside = entry.node != kRootNode && node.type == FileType::directory;
            opaque_over_synthesised |= ++opaque_visits > kVisitsMax || (inside && node.synthesised);
            if (inside) {
                below.push_back(entry.node);
            }
        }
    }
}

Result<void> FileTreeBuilder::State::add_whiteout(NodeId directory, std::string_view name,
                                                  const LayerEntry& entry) {
    if (name.empty() || name == "." || name == "..") {
        return fail(corrupt("a whiteout of no file"));
    }
    Node node{.type = FileType::character, .whiteout = true, .mode = 0};
    LayerEntry attributes{.mode = 0, .uid = entry.uid, .gid = entry.gid, .mtime_s = entry.mtime_s};
    CHECK_OK(set_attributes(node, attributes));
    CHECK_OK(editor.add(directory, name, std::move(node)));
    return {};
}

Result<void> FileTreeBuilder::State::add_link(NodeId directory, std::string_view name,
                                              LayerEntry& entry) {
    TRY(std::string target, clean_path(entry.link_target));
    editor.remove(directory, name);
    const std::optional<NodeId> file = editor.node_at(target);
    if (!file || editor.node(*file).type == FileType::directory) {
        TRY(const NodeId placeholder, editor.add(directory, name, Node{.type = FileType::regular}));
        pending.emplace(placeholder, PendingLink{.path = entry.path, .target = std::move(target)});
        return {};
    }
    CHECK_OK(editor.link(directory, name, *file));
    if (pending.contains(*file)) {
        return {};
    }
    // chown(2) takes a file's capabilities away; they stay if the link's entry has them again.
    Node& node = editor.node(*file);
    std::erase_if(node.xattrs,
                  [](const Xattr& xattr) { return xattr.name == "security.capability"; });
    return set_attributes(node, entry);
}

Result<void> FileTreeBuilder::State::add_file(NodeId directory, std::string_view name,
                                              LayerEntry& entry) {
    if (entry.type == FileType::directory) {
        const std::optional<NodeId> same = editor.child(directory, name);
        if (same && editor.node(*same).type == FileType::directory) {
            return set_attributes(editor.node(*same), entry);
        }
    }
    Node node{.type = entry.type};
    if (entry.type == FileType::symlink) {
        CHECK_OK(check_symlink(entry));
        node.mode = 0777;
        node.link_target = std::move(entry.link_target);
    }
    if (entry.type == FileType::character || entry.type == FileType::block) {
        node.device_major = entry.device_major;
        node.device_minor = entry.device_minor;
    }
    if (entry.type == FileType::regular) {
        CHECK_OK(check_chunks(entry));
        std::vector<Chunk>& chunks = editor.chunks();
        if (entry.chunks.size() > kLayerChunksMax - chunks.size()) {
            return fail(over_limit(fmt::format("more than {} chunks", kLayerChunksMax)));
        }
        node.size_bytes = entry.size_bytes;
        node.first_chunk = static_cast<std::uint32_t>(chunks.size());
        node.chunk_count = static_cast<std::uint32_t>(entry.chunks.size());
        node.content = content_of(entry);
        chunks.insert(chunks.end(), entry.chunks.begin(), entry.chunks.end());
    }
    CHECK_OK(set_attributes(node, entry));
    CHECK_OK(editor.add(directory, name, std::move(node)));
    return {};
}

// The file that a placeholder stands for. A target may be another placeholder, and so on: every one
// on the way learns the answer, so that long chains cost no more than their length.
Result<NodeId> FileTreeBuilder::State::resolve(NodeId placeholder) {
    std::vector<NodeId> chain;
    NodeId id = placeholder;
    for (auto link = pending.find(id); link != pending.end(); link = pending.find(id)) {
        if (const auto known = resolved.find(id); known != resolved.end()) {
            id = known->second;
            break;
        }
        const auto refuse = [&link = link->second](std::string_view why) {
            return fail(corrupt(
                fmt::format("\"{}\": a hard link to \"{}\", {}", link.path, link.target, why)));
        };
        if (std::exchange(link->second.visited, true)) {
            return refuse("which comes back to itself");
        }
        const std::optional<NodeId> target = editor.node_at(link->second.target);
        if (!target) {
            return refuse("which is not in the layer");
        }
        if (editor.node(*target).type == FileType::directory) {
            return refuse("which is a directory");
        }
        chain.push_back(id);
        id = *target;
    }
    for (const NodeId passed : chain) {
        resolved.emplace(passed, id);
    }
    return id;
}

FileTreeBuilder::FileTreeBuilder() : state_(std::make_unique<State>()) {}
FileTreeBuilder::FileTreeBuilder(FileTreeBuilder&&) noexcept = default;
FileTreeBuilder& FileTreeBuilder::operator=(FileTreeBuilder&&) noexcept = default;
FileTreeBuilder::~FileTreeBuilder() = default;

Result<void> FileTreeBuilder::add(LayerEntry entry) {
    constexpr std::size_t kShownBytesMax = 200;
    auto added = state_->add(entry);
    if (!added) {
        return fail(std::move(added).error().context(
            fmt::format("\"{}\"", std::string_view{entry.path}.substr(0, kShownBytesMax))));
    }
    return {};
}

Result<FileTree> FileTreeBuilder::finish() && {
    for (const auto& [placeholder, link] : state_->pending) {
        if (state_->editor.node(placeholder).link_count > 0) {  // its names may be gone again
            CHECK_OK(state_->resolve(placeholder));
        }
    }
    FileTree tree = std::move(state_->editor).finish(state_->resolved);
    tree.opaque_over_synthesised = state_->opaque_over_synthesised;
    std::uint64_t disk_bytes = 0;
    for (const Node& node : tree.nodes) {
        disk_bytes += align_up(node.size_bytes, kDiskAlignment);
        if (disk_bytes > kDiskBytesMax) {
            return fail(over_limit(fmt::format("more than {} bytes of files", kDiskBytesMax)));
        }
    }
    assign_disk_offsets(tree);
    return tree;
}

}  // namespace lazybuild::codec
