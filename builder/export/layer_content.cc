// SPDX-License-Identifier: Apache-2.0
#include "builder/export/layer_content.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace lazybuild::exporter {
namespace {

using codec::DirectoryEntry;
using codec::FileTree;
using codec::FileType;
using codec::Node;
using codec::NodeId;

// Puts one layer after the other on a tree, as overlayfs would show them, with what hides kept.
class Squasher {
  public:
    Squasher() { tree_.nodes.emplace_back(); }
    Result<void> add(const FileTree& layer);
    FileTree finish() &&;

  private:
    struct Pair {
        NodeId merged = codec::kRootNode;
        NodeId layer = codec::kRootNode;
    };
    void merge_directory(const FileTree& layer, Pair pair);
    NodeId place(const FileTree& layer, NodeId id, std::optional<NodeId> below);
    NodeId place_directory(const FileTree& layer, NodeId id, std::optional<NodeId> below);
    NodeId copy(const FileTree& layer, NodeId id);
    static void take_attributes(Node& to, const Node& from);

    FileTree tree_;
    std::uint64_t disk_offset_bytes_ = 0;  // where the disk of the layer in work begins
    std::vector<Pair> pending_;
    std::map<NodeId, NodeId> files_;  // of the layer in work: its hard links stay links
};

NodeId Squasher::copy(const FileTree& layer, NodeId id) {
    Node made = layer.nodes[id];
    made.entries.clear();
    const auto chunks = layer.chunks.begin() + made.first_chunk;
    made.first_chunk = static_cast<std::uint32_t>(tree_.chunks.size());
    tree_.chunks.insert(tree_.chunks.end(), chunks, chunks + made.chunk_count);
    made.disk_offset_bytes += disk_offset_bytes_;
    tree_.nodes.push_back(std::move(made));
    return static_cast<NodeId>(tree_.nodes.size() - 1);
}

void Squasher::take_attributes(Node& to, const Node& from) {
    if (from.synthesised) {
        return;  // nobody said anything: it looks as it did below
    }
    to.synthesised = false;
    to.made_in_synthesised = false;
    to.mode = from.mode;
    to.uid = from.uid;
    to.gid = from.gid;
    to.mtime_s = from.mtime_s;
    to.xattrs = from.xattrs;
}

NodeId Squasher::place_directory(const FileTree& layer, NodeId id, std::optional<NodeId> below) {
    const Node& node = layer.nodes[id];
    NodeId merged = 0;
    if (below && tree_.nodes[*below].type == FileType::directory) {
        merged = *below;
        take_attributes(tree_.nodes[merged], node);
        if (node.opaque) {
            tree_.nodes[merged].entries.clear();
            tree_.nodes[merged].opaque = true;
        }
    } else {
        merged = copy(layer, id);
        // What was here (a file, a whiteout) hid what the base may have, and still does.
        tree_.nodes[merged].opaque = node.opaque || below.has_value();
    }
    pending_.push_back({.merged = merged, .layer = id});
    return merged;
}

NodeId Squasher::place(const FileTree& layer, NodeId id, std::optional<NodeId> below) {
    if (layer.nodes[id].type == FileType::directory) {
        return place_directory(layer, id, below);
    }
    const auto known = files_.find(id);
    if (known != files_.end()) {
        return known->second;
    }
    const NodeId made = copy(layer, id);
    files_.emplace(id, made);
    return made;
}

// Both lists of names are sorted, and so is what they become.
void Squasher::merge_directory(const FileTree& layer, Pair pair) {
    const std::vector<DirectoryEntry> below = std::move(tree_.nodes[pair.merged].entries);
    const std::vector<DirectoryEntry>& above = layer.nodes[pair.layer].entries;
    std::vector<DirectoryEntry> merged;
    merged.reserve(below.size() + above.size());
    auto next = below.begin();
    for (const DirectoryEntry& entry : above) {
        for (; next != below.end() && next->name < entry.name; ++next) {
            merged.push_back(*next);
        }
        std::optional<NodeId> there;
        if (next != below.end() && next->name == entry.name) {
            there = next->node;
            ++next;
        }
        merged.push_back({.name = entry.name, .node = place(layer, entry.node, there)});
    }
    merged.insert(merged.end(), next, below.end());
    tree_.nodes[pair.merged].entries = std::move(merged);
}

Result<void> Squasher::add(const FileTree& layer) {
    if (tree_.nodes.size() + layer.nodes.size() > codec::kLayerEntriesMax ||
        tree_.chunks.size() + layer.chunks.size() > codec::kLayerChunksMax) {
        return fail(over_limit("the squashed layers hold more files than one layer may"));
    }
    disk_offset_bytes_ = tree_.disk_size_bytes;
    tree_.disk_size_bytes += layer.disk_size_bytes;
    if (tree_.disk_size_bytes > codec::kDiskBytesMax) {
        return fail(over_limit("the squashed layers are larger than one layer may be"));
    }
    files_.clear();
    take_attributes(tree_.nodes[codec::kRootNode], layer.root());
    tree_.opaque_over_synthesised |= layer.opaque_over_synthesised;
    pending_ = {Pair{}};
    while (!pending_.empty()) {
        const Pair pair = pending_.back();
        pending_.pop_back();
        merge_directory(layer, pair);
    }
    return {};
}

FileTree Squasher::finish() && {
    for (Node& node : tree_.nodes) {
        node.link_count = node.type == FileType::directory ? 2 : 0;
    }
    for (NodeId id = 0; id < tree_.nodes.size(); ++id) {
        for (const DirectoryEntry& entry : tree_.nodes[id].entries) {
            const bool directory = tree_.nodes[entry.node].type == FileType::directory;
            ++tree_.nodes[directory ? id : entry.node].link_count;
        }
    }
    return std::move(tree_);
}

// Of disks that lie one behind the other.
Result<void> read_joined(const std::vector<LayerContent>& contents, std::uint64_t offset_bytes,
                         MutableByteView out) {
    for (const LayerContent& content : contents) {
        const std::uint64_t size_bytes = content.tree->disk_size_bytes;
        if (offset_bytes >= size_bytes) {
            offset_bytes -= size_bytes;
            continue;
        }
        const std::uint64_t here = std::min<std::uint64_t>(size_bytes - offset_bytes, out.size());
        CHECK_OK(content.read(offset_bytes, out.first(here)));
        out = out.subspan(here);
        offset_bytes = 0;
        if (out.empty()) {
            return {};
        }
    }
    return out.empty() ? Result<void>{} : fail(invalid("a read behind the end of the layers"));
}

}  // namespace

Result<LayerContent> LayerContent::of(layers::LayerPointer layer) {
    TRY(std::shared_ptr<const FileTree> tree, layer->tree());
    auto read = [layer = std::move(layer)](std::uint64_t offset_bytes, MutableByteView out) {
        return layer->read_disk(offset_bytes, out);
    };
    return LayerContent{.tree = std::move(tree), .read = std::move(read)};
}

LayerContent clamp_times(const LayerContent& content, std::int64_t latest_s) {
    auto tree = std::make_shared<FileTree>(*content.tree);
    for (Node& node : tree->nodes) {
        node.mtime_s = std::min(node.mtime_s, latest_s);
    }
    return {.tree = std::move(tree), .read = content.read};
}

Result<LayerContent> squash(const std::vector<LayerContent>& contents) {
    Squasher squasher;
    for (const LayerContent& content : contents) {
        CHECK_OK(squasher.add(*content.tree));
    }
    auto read = [contents](std::uint64_t offset_bytes, MutableByteView out) {
        return read_joined(contents, offset_bytes, out);
    };
    return LayerContent{.tree = std::make_shared<FileTree>(std::move(squasher).finish()),
                        .read = std::move(read)};
}

}  // namespace lazybuild::exporter
