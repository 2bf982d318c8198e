// SPDX-License-Identifier: Apache-2.0
#include "builder/files/seen_files.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <ctime>

#include "base/log.h"
#include "codec/file_type.h"
#include "codec/lexical_path.h"

namespace lazybuild::files {
namespace {

using codec::FileType;
using layers::FileInfo;

constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
/// More new rows are written to the stat index while the build goes on.
constexpr std::size_t kRowsAtTheEndMax = 1000;

std::string join(std::string_view directory, std::string_view name) {
    std::string path{directory};
    path += path.empty() ? "" : "/";
    path += name;
    return path;
}

void save(StatIndex& index) {
    if (auto saved = index.save(); !saved) {
        log::debug("the stat index is not written", {{"error", saved.error().message}});
    }
}

}  // namespace

SeenFiles::SeenFiles(LocalDirectory directory, const LocalView& view,
                     dockerfile::IgnorePatterns ignore, std::optional<StatIndex> index)
    : directory_(std::move(directory)),
      view_(view),
      ignore_(std::move(ignore)),
      index_(std::move(index)) {}

SeenFiles::~SeenFiles() {
    if (saving_.joinable()) {
        saving_.join();
    }
    if (index_) {
        save(*index_);
    }
}

std::int64_t SeenFiles::now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::int64_t>(now.tv_sec) * kNanosecondsPerSecond + now.tv_nsec;
}

Result<std::vector<codec::Xattr>> SeenFiles::xattrs(const std::string& path) {
    const auto [directory, name] = codec::split_path(path);
    if (!parent_ || parent_->path != directory) {
        parent_.reset();
        TRY(std::optional<Fd> file, directory_.directory(std::string{directory}));
        if (!file) {
            return std::vector<codec::Xattr>{};  // it went away meanwhile
        }
        parent_ = OpenParent{.path = std::string{directory}, .file = *std::move(file)};
    }
    return directory_.xattrs(parent_->file, name);
}

NamedFile& SeenFiles::keep(const std::string& path, const struct stat& status) {
    SeenFile seen;
    const std::optional<FileType> type = codec::file_type_of(status.st_mode);
    if (type) {
        seen.stamp = stamp_of(status);
        FileInfo info;
        info.type = *type;
        info.mode = *type == FileType::symlink ? 0777 : status.st_mode & 07777;
        if (view_.plain_modes && *type != FileType::symlink) {
            const bool program = *type == FileType::directory || (status.st_mode & S_IXUSR) != 0;
            info.mode = program ? 0755 : 0644;
        }
        info.mtime_s = view_.mtime_s.value_or(status.st_mtim.tv_sec);
        if (*type == FileType::regular) {
            info.size_bytes = seen.stamp.size_bytes;
        }
        if (*type == FileType::regular && status.st_nlink > 1) {
            const auto key = std::pair{status.st_dev, status.st_ino};
            info.inode = inodes_.emplace(key, inodes_.size() + 1).first->second;
        }
        if (*type == FileType::character || *type == FileType::block) {
            info.device_major = major(status.st_rdev);
            info.device_minor = minor(status.st_rdev);
        }
        seen.info = std::move(info);
        seen.raw = *type != FileType::fifo;
    }
    return *seen_.emplace(path, std::move(seen)).first;
}

// What costs a system call for each file, unless an earlier build has made it.
Result<void> SeenFiles::complete(const std::string& path, SeenFile& seen) {
    if (!std::exchange(seen.raw, false)) {
        return {};
    }
    if (seen.info->type == FileType::symlink) {
        TRY(seen.info->link_target, directory_.link_target(path));
        return {};
    }
    if (seen.info->type != FileType::regular && seen.info->type != FileType::directory) {
        return {};
    }
    if (!index_) {
        TRY(seen.info->xattrs, xattrs(path));
        return {};
    }
    const std::lock_guard lock{index_mutex_};
    if (const FileFacts* const known = index_->find(path, seen.stamp)) {
        seen.info->xattrs = known->xattrs;
        seen.content = known->content;
        return {};
    }
    const std::int64_t taken_at_ns = now_ns();
    TRY(seen.info->xattrs, xattrs(path));
    if (seen.info->type == FileType::directory) {
        index_->remember(path, seen.stamp, FileFacts{.content = {}, .xattrs = seen.info->xattrs},
                         taken_at_ns);
    }
    return {};
}

// Whether an ignored directory has anything in it that a "!" pattern brings back.
bool SeenFiles::has_visible_file(const std::string& directory) {
    const auto names = list(directory);
    return names && !names->empty();
}

Result<NamedFile*> SeenFiles::see(std::string_view path) {
    if (const auto known = seen_.find(path); known != seen_.end()) {
        if (known->second.info) {
            CHECK_OK(complete(known->first, known->second));
        }
        return &*known;
    }
    const std::string name{path};
    if (!name.empty() && ignore_.excludes(name)) {
        TRY(const std::optional<struct stat> status,
            ignore_.excludes_all_of(name) ? std::optional<struct stat>{} : directory_.status(name));
        const bool visible = status && S_ISDIR(status->st_mode) && has_visible_file(name);
        if (!visible) {
            return &*seen_.emplace(name, SeenFile{}).first;
        }
    }
    TRY(const std::optional<struct stat> status, directory_.status(name));
    if (!status) {
        return &*seen_.emplace(name, SeenFile{}).first;
    }
    NamedFile& seen = keep(name, *status);
    CHECK_OK(complete(name, seen.second));
    return &seen;
}

NamedFile* SeenFiles::find(std::string_view path) {
    const auto seen = seen_.find(path);
    return seen == seen_.end() ? nullptr : &*seen;
}

Result<std::vector<std::string>> SeenFiles::list(std::string_view path) {
    const std::string directory{path};
    TRY(std::vector<LocalDirectory::Child> children, directory_.children(directory));
    std::vector<std::string> names;
    names.reserve(children.size());
    for (LocalDirectory::Child& child : children) {
        std::string place = join(directory, child.name);
        if (!codec::file_type_of(child.status.st_mode)) {
            continue;
        }
        if (ignore_.excludes(place)) {
            const bool opened = S_ISDIR(child.status.st_mode) && !ignore_.excludes_all_of(place) &&
                                has_visible_file(place);
            if (!opened) {
                continue;
            }
        }
        if (!seen_.contains(place)) {
            keep(place, child.status);
        }
        names.push_back(std::move(child.name));
    }
    std::ranges::sort(names);
    return names;
}

void SeenFiles::remember(const std::vector<NamedFile*>& files, std::int64_t taken_at_ns) {
    if (!index_) {
        return;
    }
    {
        const std::lock_guard lock{index_mutex_};
        for (const NamedFile* const file : files) {
            const SeenFile& seen = file->second;
            index_->remember(file->first, seen.stamp,
                             FileFacts{.content = seen.content, .xattrs = seen.info->xattrs},
                             taken_at_ns);
        }
    }
    new_rows_ += files.size();
}

void SeenFiles::save_beside() {
    // Once is enough: the rest is written at the end.
    if (!index_ || new_rows_ <= kRowsAtTheEndMax || saving_.joinable()) {
        return;
    }
    saving_ = std::jthread{[this] {
        const std::lock_guard lock{index_mutex_};
        save(*index_);
    }};
}

}  // namespace lazybuild::files
