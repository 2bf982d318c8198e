// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/merged_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "builder/layers/layer_source.h"
#include "codec/lexical_path.h"
#include "codec/sha256.h"

namespace lazybuild::layers {
namespace {

/// Of directories that were looked into; enough for those of one walk.
constexpr std::size_t kDirectoriesKeptMax = 4096;
constexpr std::size_t kDigestBufferBytes = 1 << 20;

/// What hides a name of the layers below: overlayfs looks at the device only.
bool is_whiteout(const codec::Node& node) {
    return node.type == codec::FileType::character && node.device_major == 0 &&
           node.device_minor == 0;
}

std::optional<codec::NodeId> find_entry(const codec::Node& directory, std::string_view name) {
    const auto& entries = directory.entries;
    const auto place = std::ranges::lower_bound(entries, name, {}, &codec::DirectoryEntry::name);
    if (place == entries.end() || place->name != name) {
        return std::nullopt;
    }
    return place->node;
}

Error no_file(std::string_view path) {
    return errno_error(std::string{path}, ENOENT);
}

}  // namespace

Result<void> MergedView::load() {
    const std::lock_guard lock(mutex_);
    if (trees_.size() != snapshot_.layers.size()) {
        TRY(trees_, chains_->trees(snapshot_.layers));
    }
    return {};
}

bool MergedView::is_directory(const Places& places) const {
    return !places.empty() && node(places.front()).type == codec::FileType::directory;
}

MergedView::Places MergedView::step(const Places& directory, std::string_view name) const {
    Places found;
    for (const Place& place : directory) {
        const std::optional<codec::NodeId> child = find_entry(node(place), name);
        if (!child) {
            continue;
        }
        const Place next{.layer = place.layer, .node = *child};
        const codec::Node& file = node(next);
        if (file.type != codec::FileType::directory) {
            if (found.empty() && !is_whiteout(file)) {
                found.push_back(next);
            }
            break;
        }
        found.push_back(next);
        if (file.opaque) {
            break;
        }
    }
    return found;
}

/// Empty when there is no directory at `path`.
MergedView::PlacesPointer MergedView::directory_at(std::string_view path) {
    const std::string key{path};
    {
        const std::lock_guard lock(mutex_);
        if (const auto known = directories_.find(key); known != directories_.end()) {
            return known->second;
        }
    }
    Places places;
    if (path.empty()) {
        // Overlayfs does not ask whether a root is opaque.
        for (std::size_t layer = snapshot_.layers.size(); layer > 0; --layer) {
            places.push_back({.layer = layer - 1, .node = codec::kRootNode});
        }
    } else {
        const auto [parent, name] = codec::split_path(path);
        places = step(*directory_at(parent), name);
        if (!is_directory(places)) {
            places.clear();
        }
    }
    auto kept = std::make_shared<const Places>(std::move(places));
    const std::lock_guard lock(mutex_);
    if (directories_.size() >= kDirectoriesKeptMax) {
        directories_.clear();
    }
    directories_.emplace(key, kept);
    return kept;
}

MergedView::Places MergedView::places_at(std::string_view path) {
    if (path.empty()) {
        return *directory_at(path);
    }
    if (path.size() > codec::kPathBytesMax) {
        return {};  // no layer has it, and the search would be as deep
    }
    const auto [parent, name] = codec::split_path(path);
    return step(*directory_at(parent), name);
}

Result<std::optional<FileInfo>> MergedView::look(std::string_view path) {
    CHECK_OK(load());
    if (path.empty() && snapshot_.layers.empty()) {
        return FileInfo{.type = codec::FileType::directory, .mode = 0755};
    }
    const Places places = places_at(path);
    if (places.empty()) {
        return std::nullopt;
    }
    const Place& place = places.front();
    const codec::Node& file = node(place);
    const bool linked = file.type != codec::FileType::directory && file.link_count > 1;
    constexpr unsigned kNodeBits = 32;
    return FileInfo{
        .type = file.type,
        .mode = file.mode,
        .uid = file.uid,
        .gid = file.gid,
        .mtime_s = file.mtime_s,
        .size_bytes = file.size_bytes,
        .device_major = file.device_major,
        .device_minor = file.device_minor,
        .link_target = file.link_target,
        .xattrs = file.xattrs,
        .inode = linked ? (std::uint64_t{place.layer + 1} << kNodeBits) + place.node : 0};
}

std::vector<std::string> MergedView::merge_names(const Places& directory) const {
    std::map<std::string_view, bool> names;  // whether it is seen
    for (const Place& place : directory) {
        for (const codec::DirectoryEntry& entry : node(place).entries) {
            const codec::Node& file = trees_[place.layer]->nodes[entry.node];
            names.try_emplace(entry.name, !is_whiteout(file));
        }
    }
    std::vector<std::string> seen;
    seen.reserve(names.size());
    for (const auto& [name, visible] : names) {
        if (visible) {
            seen.emplace_back(name);
        }
    }
    return seen;
}

Result<std::vector<std::string>> MergedView::list(std::string_view path) {
    CHECK_OK(load());
    const Places places = places_at(path);
    if (places.empty() && !path.empty()) {
        return fail(no_file(path));
    }
    if (!places.empty() && !is_directory(places)) {
        return fail(errno_error(std::string{path}, ENOTDIR));
    }
    return merge_names(places);
}

Result<MergedView::Place> MergedView::regular_file(std::string_view path) {
    CHECK_OK(load());
    const Places places = places_at(path);
    if (places.empty()) {
        return fail(no_file(path));
    }
    if (node(places.front()).type != codec::FileType::regular) {
        return fail(invalid(fmt::format("{} is no regular file", path)));
    }
    return places.front();
}

Result<ContentDigest> MergedView::digest(std::string_view path) {
    TRY(const Place place, regular_file(path));
    const codec::Node& file = node(place);
    const LayerPointer& layer = snapshot_.layers[place.layer];
    if (file.content != codec::Digest{}) {
        const bool one_chunk = file.chunk_count == 1 || file.size_bytes == 0;
        return ContentDigest{.digest = file.content,
                             .verified = one_chunk || !layer->contents_are_claims()};
    }
    constexpr unsigned kNodeBits = 32;
    const std::uint64_t key = (std::uint64_t{place.layer} << kNodeBits) + place.node;
    {
        const std::lock_guard lock(mutex_);
        if (const auto known = digests_.find(key); known != digests_.end()) {
            return ContentDigest{.digest = known->second};
        }
    }
    LayerSource bytes{layer, file.disk_offset_bytes, file.size_bytes};
    codec::Sha256 hash;
    Bytes buffer(std::min<std::uint64_t>(kDigestBufferBytes, file.size_bytes));
    while (!buffer.empty()) {
        TRY(const std::size_t size_bytes, bytes.read(buffer));
        if (size_bytes == 0) {
            break;
        }
        hash.update(ByteView{buffer}.first(size_bytes));
    }
    const codec::Digest digest = hash.finish();
    const std::lock_guard lock(mutex_);
    digests_.emplace(key, digest);
    return ContentDigest{.digest = digest};
}

Result<std::unique_ptr<ByteSource>> MergedView::open(std::string_view path) {
    TRY(const Place place, regular_file(path));
    const codec::Node& file = node(place);
    return std::make_unique<LayerSource>(snapshot_.layers[place.layer], file.disk_offset_bytes,
                                         file.size_bytes);
}

}  // namespace lazybuild::layers
