// SPDX-License-Identifier: Apache-2.0
#include "builder/files/planned_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "builder/files/payload.h"
#include "codec/lexical_path.h"
#include "codec/xattrs.h"

namespace lazybuild::files {
namespace {

using codec::FileType;
using layers::FileInfo;

std::string_view parent_of(std::string_view path) {
    return codec::split_path(path).directory;
}

// What a tar of a layer has another meaning for, and would not bring back.
Result<void> check_name(std::string_view path, const FileInfo& info) {
    const std::string_view name = codec::split_path(path).name;
    const bool reserved = path == ".prefetch.landmark" || path == ".no.prefetch.landmark" ||
                          path == "stargz.index.json";
    if (name.starts_with(".wh.") || reserved) {
        return fail(invalid(fmt::format(
            "\"/{}\" cannot be put into an image: layers use this name for something else ({}); "
            "rename or exclude it",
            path, reserved ? "indexes of eStargz" : "\".wh.\" removes files of layers below")));
    }
    const bool device = info.type == FileType::character;
    if (device && info.device_major == 0 && info.device_minor == 0) {
        return fail(invalid(
            fmt::format("\"/{}\" cannot be put into an image: a character device 0:0 means that a "
                        "file of a layer below is removed",
                        path)));
    }
    return {};
}

}  // namespace

FileInfo made_directory(std::uint32_t mode, std::uint32_t uid, std::uint32_t gid) {
    return FileInfo{
        .type = FileType::directory, .mode = mode, .uid = uid, .gid = gid, .mtime_s = kMadeTimeS};
}

// Whether what `below_` has at `path` no longer counts. The directories above a planned file are
// planned, so the nearest one knows.
bool PlannedTree::hides_below(std::string_view path) const {
    if (below_ == nullptr) {
        return true;
    }
    while (!path.empty()) {
        path = parent_of(path);
        if (const auto found = planned_.find(path); found != planned_.end()) {
            return found->second.info.type != FileType::directory || found->second.fresh;
        }
    }
    return false;
}

Result<std::optional<FileInfo>> PlannedTree::look_below(std::string_view path) {
    if (hides_below(path)) {
        return std::nullopt;
    }
    return below_->look(path);
}

Result<std::optional<FileInfo>> PlannedTree::look(std::string_view path) {
    if (const auto found = planned_.find(path); found != planned_.end()) {
        return found->second.info;
    }
    if (path.empty() && below_ == nullptr) {
        return made_directory(0755, 0, 0);
    }
    return look_below(path);
}

Result<std::vector<std::string>> PlannedTree::list(std::string_view path) {
    const auto own = planned_.find(path);
    std::vector<std::string> names;
    const bool fresh = own != planned_.end() && own->second.fresh;
    if (!fresh && !hides_below(path)) {
        TRY(const std::optional<FileInfo> info, below_->look(path));
        if (info && info->type == FileType::directory) {
            TRY(names, below_->list(path));
        }
    }
    const std::string prefix = path.empty() ? "" : std::string{path} + "/";
    auto next = planned_.lower_bound(prefix);
    while (next != planned_.end() && next->first.starts_with(prefix)) {
        const std::string_view rest = std::string_view{next->first}.substr(prefix.size());
        const std::size_t slash = rest.find('/');
        if (slash != std::string_view::npos) {  // inside a child: step over all of it
            next =
                planned_.lower_bound(prefix + std::string{rest.substr(0, slash)} + char{'/' + 1});
            continue;
        }
        if (!rest.empty()) {
            names.emplace_back(rest);
        }
        ++next;
    }
    std::ranges::sort(names);
    const auto doubles = std::ranges::unique(names);
    names.erase(doubles.begin(), doubles.end());
    return names;
}

// Directories that lead to `path` and are not planned yet come from below, as they are there.
Result<void> PlannedTree::record_parents(std::string_view path) {
    std::vector<std::string_view> missing;
    while (!path.empty()) {
        path = parent_of(path);
        if (planned_.contains(path)) {
            break;
        }
        missing.push_back(path);
    }
    for (const std::string_view directory : missing) {
        TRY(std::optional<FileInfo> info, look(directory));
        if (!info || info->type != FileType::directory) {
            return fail(invalid(fmt::format("cannot copy to non-directory: /{}", directory)));
        }
        planned_.emplace(std::string{directory}, Planned{.info = *std::move(info)});
    }
    return {};
}

void PlannedTree::forget_inside(const std::string& path) {
    planned_.erase(planned_.lower_bound(path + "/"), planned_.lower_bound(path + char{'/' + 1}));
}

Result<void> PlannedTree::insert(const std::string& path, Planned planned) {
    CHECK_OK(record_parents(path));
    planned_.insert_or_assign(path, std::move(planned));
    if (planned_.size() > codec::kLayerEntriesMax) {
        return fail(over_limit(fmt::format("more than {} files", codec::kLayerEntriesMax)));
    }
    return {};
}

Result<void> PlannedTree::put(const std::string& path, FileInfo info, Payload payload) {
    ASSERT(!path.empty() && info.type != FileType::directory);
    const auto old = planned_.find(path);
    if (old != planned_.end() && old->second.info.type == FileType::directory) {
        forget_inside(path);
    }
    return insert(path, Planned{.info = std::move(info), .payload = std::move(payload)});
}

Result<void> PlannedTree::put_directory(const std::string& path, FileInfo info) {
    TRY(std::optional<FileInfo> old, look(path));
    const auto planned = planned_.find(path);
    if (old && old->type == FileType::directory) {
        std::vector<codec::Xattr> xattrs = std::move(old->xattrs);
        std::ranges::move(info.xattrs, std::back_inserter(xattrs));
        codec::sort_xattrs(xattrs);
        info.xattrs = std::move(xattrs);
        if (planned != planned_.end()) {
            planned->second.info = std::move(info);
            return {};
        }
        return insert(path, Planned{.info = std::move(info)});
    }
    TRY(const std::optional<FileInfo> under, look_below(path));
    const bool opaque = under && under->type == FileType::directory;
    return insert(path, Planned{.info = std::move(info), .fresh = true, .opaque = opaque});
}

Result<void> PlannedTree::make_directories(const std::string& path, const FileInfo& made) {
    std::string directory;
    std::string_view rest = path;
    while (!rest.empty()) {
        directory += directory.empty() ? "" : "/";
        directory += codec::take_component(rest);
        TRY(const std::optional<FileInfo> there, look(directory));
        if (there && there->type != FileType::directory) {
            return fail(invalid("cannot copy to non-directory: /" + directory));
        }
        if (!there) {
            CHECK_OK(put_directory(directory, made));
        }
    }
    return {};
}

void PlannedTree::date_directory(const std::string& path, std::int64_t mtime_s) {
    const auto planned = planned_.find(path);
    if (planned != planned_.end() && planned->second.fresh) {
        planned->second.info.mtime_s = mtime_s;
    }
}

Result<void> PlannedTree::link(const std::string& path, const std::string& target) {
    TRY(std::optional<FileInfo> info, look(target));
    if (!info || info->type == FileType::directory) {
        return fail(
            corrupt(fmt::format("\"{}\": a hard link to \"{}\", which is no file", path, target)));
    }
    auto planned = planned_.find(target);
    if (planned == planned_.end()) {  // it is a file of the layers below: this one gets its own
        Payload payload;
        if (info->type == FileType::regular) {
            payload = Payload{.source = below_, .path = target};
        }
        info->inode = 0;
        CHECK_OK(insert(target, Planned{.info = *info, .payload = std::move(payload)}));
        planned = planned_.find(target);
    }
    if (planned->second.info.inode == 0) {
        planned->second.info.inode = new_inode();
    }
    if (path == target) {
        return {};
    }
    Planned copy = planned->second;
    return put(path, std::move(copy.info), std::move(copy.payload));
}

Result<std::unique_ptr<ByteSource>> PlannedTree::open_payload(const Planned& planned) const {
    const Payload& payload = planned.payload;
    if (payload.source != nullptr) {
        return payload.source->open(payload.path);
    }
    if (payload.spool) {
        return std::make_unique<SpoolSource>(payload.spool, payload.offset_bytes,
                                             planned.info.size_bytes);
    }
    return std::make_unique<TextSource>(payload.text);
}

Result<std::unique_ptr<ByteSource>> PlannedTree::open(std::string_view path) {
    const auto found = planned_.find(path);
    if (found != planned_.end()) {
        if (found->second.info.type != FileType::regular) {
            return fail(invalid(fmt::format("\"{}\" is not a regular file", path)));
        }
        return open_payload(found->second);
    }
    if (hides_below(path)) {
        return fail(errno_error(path, ENOENT));
    }
    return below_->open(path);
}

Result<layers::ContentDigest> PlannedTree::digest(std::string_view path) {
    const auto found = planned_.find(path);
    if (found == planned_.end() && !hides_below(path)) {
        return below_->digest(path);
    }
    if (found != planned_.end() && found->second.payload.digest) {
        return layers::ContentDigest{.digest = *found->second.payload.digest};
    }
    TRY(const std::unique_ptr<ByteSource> content, open(path));
    TRY(const codec::Digest digest, digest_of(*content));
    if (found != planned_.end()) {
        found->second.payload.digest = digest;
    }
    return layers::ContentDigest{.digest = digest};
}

Result<void> PlannedTree::write_content(const std::string& path, const Planned& planned,
                                        codec::LayerEntry entry, layers::LayerMaker& maker) const {
    if (entry.size_bytes == 0) {
        return maker.add(std::move(entry), nullptr);
    }
    TRY(const std::unique_ptr<ByteSource> content, open_payload(planned));
    const std::uint64_t size_bytes = entry.size_bytes;
    HashingSource hashed{*content, size_bytes};
    CHECK_OK(maker.add(std::move(entry), &hashed));
    const std::optional<codec::Digest>& expected = planned.payload.digest;
    if (!expected) {
        return {};
    }
    TRY(const codec::Digest found, hashed.finish());
    if (found != *expected) {
        return fail(content_differs(path, found, *expected));
    }
    return {};
}

Result<void> PlannedTree::write(layers::LayerMaker& maker) {
    std::map<std::uint64_t, const std::string*> first_names;
    for (const auto& [path, planned] : planned_) {
        if (path.empty() && below_ == nullptr) {
            continue;  // the root of the layers below stays as it is
        }
        CHECK_OK(check_name(path, planned.info));
        codec::LayerEntry entry = layers::entry_of(path, planned.info);
        const bool linked = planned.info.inode != 0 && planned.info.type != FileType::directory;
        if (linked) {
            const auto [first, fresh] = first_names.emplace(planned.info.inode, &path);
            if (!fresh) {
                entry.kind = codec::LayerEntry::Kind::hardlink;
                entry.link_target = *first->second;
                entry.size_bytes = 0;
                CHECK_OK(maker.add(std::move(entry), nullptr));
                continue;
            }
        }
        CHECK_OK(write_content(path, planned, std::move(entry), maker));
        if (planned.opaque) {
            CHECK_OK(maker.add(codec::LayerEntry{.path = path + "/.wh..wh..opq"}, nullptr));
        }
    }
    return {};
}

}  // namespace lazybuild::files
