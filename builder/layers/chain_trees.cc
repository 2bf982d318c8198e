// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/chain_trees.h"

#include <fmt/format.h>

#include <optional>
#include <ranges>
#include <string_view>
#include <utility>

#include "codec/chain_tree.h"

namespace lazybuild::layers {
namespace {

class LowerLayer final : public codec::LowerTree {
  public:
    explicit LowerLayer(const codec::FileTree& tree) : tree_(tree) {}

    Result<std::optional<codec::Node>> look(std::string_view path) override {
        const std::optional<codec::NodeId> found = tree_.find(path);
        if (!found) {
            return std::nullopt;
        }
        const codec::Node& node = tree_.nodes[*found];
        // Not its entries, of which there may be many thousands.
        return codec::Node{.type = node.type,
                           .mode = node.mode,
                           .uid = node.uid,
                           .gid = node.gid,
                           .mtime_s = node.mtime_s,
                           .link_target = node.link_target,
                           .xattrs = node.xattrs};
    }

  private:
    const codec::FileTree& tree_;
};

Result<TreePointer> with_attributes_from(std::span<const TreePointer> below, TreePointer own) {
    std::vector<LowerLayer> lowers;
    lowers.reserve(below.size());
    for (const TreePointer& tree : below | std::views::reverse) {
        lowers.emplace_back(*tree);
    }
    std::vector<codec::LowerTree*> borrowed;
    borrowed.reserve(lowers.size());
    for (LowerLayer& lower : lowers) {
        borrowed.push_back(&lower);
    }
    auto tree = std::make_shared<codec::FileTree>(*own);
    CHECK_OK(codec::take_attributes_from_below(*tree, borrowed));
    return tree;
}

}  // namespace

TreePointer ChainTrees::find(const codec::Digest& chain) const {
    const std::lock_guard lock(mutex_);
    const auto found = made_.find(chain);
    return found == made_.end() ? nullptr : found->second;
}

Result<std::vector<TreePointer>> ChainTrees::trees(std::span<const LayerPointer> layers) {
    std::vector<TreePointer> trees;
    trees.reserve(layers.size());
    Snapshot below;
    for (const LayerPointer& layer : layers) {
        below.layers.push_back(layer);
        auto own = layer->tree();
        if (!own) {
            return fail(std::move(own).error().context("layer " + layer->id().text()));
        }
        if (trees.empty() || !codec::has_bare_directories(**own)) {
            trees.push_back(*std::move(own));
            continue;
        }
        const codec::Digest chain = below.id();
        TreePointer made = find(chain);
        if (made == nullptr) {
            auto making = with_attributes_from(trees, *std::move(own));
            if (!making) {
                return fail(std::move(making).error().context("layer " + layer->id().text()));
            }
            made = *std::move(making);
            const std::lock_guard lock(mutex_);
            made_.emplace(chain, made);
        }
        trees.push_back(std::move(made));
    }
    return trees;
}

}  // namespace lazybuild::layers
