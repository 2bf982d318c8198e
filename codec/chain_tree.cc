// SPDX-License-Identifier: Apache-2.0
#include "codec/chain_tree.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "codec/lexical_path.h"

namespace lazybuild::codec {
namespace {

// Of looks into layers: a few thousand for real layers; more is somebody's attempt to keep us busy.
constexpr std::size_t kLooksMax = 4'000'000;
constexpr std::size_t kLinksFollowedMax = 255;  // of one path, as containerd

/// A lower layer that has a directory, and where: its path without symlinks.
struct Candidate {
    std::size_t layer = 0;
    std::string path;
};

constexpr std::string_view kDefaultAcl = "system.posix_acl_default";

bool has_default_acl(const Node& node) {
    return std::ranges::find(node.xattrs, kDefaultAcl, &Xattr::name) != node.xattrs.end();
}

Error inexact(std::string why) {
    return Error{.code = std::errc::not_supported, .message = std::move(why)};
}

struct Found {
    std::string path;
    Node node;
};

std::string joined(std::string_view directory, std::string_view name) {
    std::string path{directory};
    path += path.empty() ? "" : "/";
    path += name;
    return path;
}

class BelowSearch {
  public:
    BelowSearch(FileTree& tree, std::span<LowerTree* const> below) : tree_(tree), below_(below) {}

    Result<void> run();

  private:
    struct Below {
        std::vector<Candidate> candidates;
        std::optional<std::uint32_t> group;  // what mkdir(2) gives to what is made in it: setgid
    };
    struct Visit {
        NodeId directory = kRootNode;
        Below below;
    };

    Result<std::optional<Found>> resolve(const Candidate& parent, std::string_view name);
    Result<std::optional<Found>> step_into(std::size_t layer, std::string path);
    Result<Below> search(const Below& parent, std::string_view name, Node& directory);
    std::vector<bool> leads_to_bare() const;

    FileTree& tree_;
    std::span<LowerTree* const> below_;
    std::size_t looks_ = 0;
};

/// By node: a directory without an entry, or one that holds such a directory at any depth.
std::vector<bool> BelowSearch::leads_to_bare() const {
    constexpr NodeId kNone = kRootNode;
    std::vector<NodeId> parents(tree_.nodes.size(), kNone);
    for (NodeId id = 0; id < tree_.nodes.size(); ++id) {
        for (const DirectoryEntry& entry : tree_.nodes[id].entries) {
            parents[entry.node] = id;
        }
    }
    std::vector<bool> leads(tree_.nodes.size(), false);
    for (NodeId id = 1; id < tree_.nodes.size(); ++id) {
        const bool bare = tree_.nodes[id].synthesised;
        for (NodeId up = id; bare && !leads[up]; up = parents[up]) {
            leads[up] = true;
        }
    }
    return leads;
}

Result<void> BelowSearch::run() {
    const std::vector<bool> wanted = leads_to_bare();
    std::vector<Visit> visits;
    visits.emplace_back();
    for (std::size_t layer = 0; layer < below_.size(); ++layer) {
        visits.back().below.candidates.push_back({.layer = layer, .path = {}});
    }
    while (!visits.empty()) {
        const Visit visit = std::move(visits.back());
        visits.pop_back();
        for (const DirectoryEntry& entry : tree_.nodes[visit.directory].entries) {
            if (!wanted[entry.node]) {
                continue;
            }
            TRY(Below below, search(visit.below, entry.name, tree_.nodes[entry.node]));
            if (!below.candidates.empty()) {
                visits.push_back({.directory = entry.node, .below = std::move(below)});
            }
        }
    }
    return {};
}

void take_attributes(Node& directory, Node& below) {
    directory.mode = below.mode;
    directory.uid = below.uid;
    directory.gid = below.gid;
    directory.mtime_s = below.mtime_s;
    directory.xattrs = std::move(below.xattrs);
    std::erase_if(directory.xattrs, [](const Xattr& xattr) {
        return xattr.name.starts_with("trusted.") || xattr.name == "security.selinux" ||
               xattr.name.starts_with("user.overlay.");
    });
}

/// The layers that have `name` as a directory. The first that has anything decides about it.
Result<BelowSearch::Below> BelowSearch::search(const Below& parent, std::string_view name,
                                               Node& directory) {
    Below below;
    if (directory.made_in_synthesised && parent.group) {
        directory.gid = *parent.group;
    }
    for (const Candidate& candidate : parent.candidates) {
        TRY(std::optional<Found> found, resolve(candidate, name));
        if (!found) {
            continue;
        }
        if (found->node.type != FileType::directory) {
            break;  // the layers below it are hidden by it
        }
        if (below.candidates.empty()) {
            if ((found->node.mode & kSetGroupId) != 0) {
                below.group = found->node.gid;
            }
            if (directory.synthesised) {
                take_attributes(directory, found->node);
            }
            if (directory.synthesised && has_default_acl(directory)) {
                return fail(
                    inexact("a directory that it has no entry for has a default ACL below"));
            }
        }
        below.candidates.push_back({.layer = candidate.layer, .path = std::move(found->path)});
    }
    return below;
}

/// parent/name with the links of its layer followed, the last one included: what containerd's
/// RootPath and a look at its result find. Links are cleaned as text, never beyond the root.
Result<std::optional<Found>> BelowSearch::resolve(const Candidate& parent, std::string_view name) {
    std::string rest{name};
    std::string here = parent.path;
    std::optional<Found> found;
    for (std::size_t links = 0; !rest.empty();) {
        std::string_view remaining = rest;
        const std::string_view component = take_component(remaining);
        if (component == "..") {
            here = std::string{split_path(here.empty() ? "." : here).directory};
            rest = std::string{remaining};
            continue;
        }
        TRY(found, step_into(parent.layer, joined(here, component)));
        if (!found) {
            return std::nullopt;
        }
        if (found->node.type != FileType::symlink) {
            here = found->path;
            rest = std::string{remaining};
            continue;
        }
        const std::string& target = found->node.link_target;
        if (++links > kLinksFollowedMax || target.size() > kPathBytesMax) {
            return std::nullopt;
        }
        if (target.starts_with('/')) {
            here.clear();
        }
        std::string next = normalise_path(target, LeadingParents::keep);
        next += !next.empty() && !remaining.empty() ? "/" : "";
        next += remaining;
        rest = std::move(next);
        if (rest.empty()) {  // a link to the directory that it is in, or to the root
            TRY(found, step_into(parent.layer, here));
        }
    }
    if (found && found->path != here) {  // it ended in ".."
        TRY(found, step_into(parent.layer, here));
    }
    return found;
}

Result<std::optional<Found>> BelowSearch::step_into(std::size_t layer, std::string path) {
    if (++looks_ > kLooksMax) {
        return fail(over_limit("too many directories without entries to be searched for below"));
    }
    TRY(std::optional<Node> node, below_[layer]->look(path));
    if (!node) {
        return std::nullopt;
    }
    return Found{.path = std::move(path), .node = *std::move(node)};
}

}  // namespace

bool has_bare_directories(const FileTree& tree) {
    return std::ranges::any_of(tree.nodes.begin() + 1, tree.nodes.end(), &Node::synthesised);
}

bool has_whiteouts(const FileTree& tree) {
    return std::ranges::any_of(tree.nodes,
                               [](const Node& node) { return node.opaque || node.whiteout; });
}

std::optional<std::string> why_inexact(const FileTree& tree) {
    const bool acls = std::ranges::any_of(tree.nodes, [](const Node& node) {
        return !node.entries.empty() && has_default_acl(node);
    });
    return acls ? std::optional{"it has files in a directory with a default ACL"} : std::nullopt;
}

Result<void> take_attributes_from_below(FileTree& tree, std::span<LowerTree* const> below) {
    return BelowSearch{tree, below}.run();
}

Result<void> make_first_layer(FileTree& tree) {
    if (tree.opaque_over_synthesised) {
        return fail(
            inexact("it is a first layer that makes a directory opaque after directories "
                    "without entries were put into it"));
    }
    for (Node& node : tree.nodes) {
        node.opaque = false;
        std::erase_if(node.entries, [&tree](const DirectoryEntry& entry) {
            return tree.nodes[entry.node].whiteout;
        });
    }
    return {};
}

}  // namespace lazybuild::codec
