// SPDX-License-Identifier: Apache-2.0
// How BuildKit copies, said over a PlannedTree. Each match goes by itself, in order: directories
// that the destination needs are made, the destination is resolved inside the file system (also
// through what was copied just now), then files are put, the last one over what has its name.
#include "builder/files/copy.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "builder/dockerfile/file_mode.h"
#include "builder/files/payload.h"
#include "builder/files/planned_tree.h"
#include "builder/files/unpack.h"
#include "codec/lexical_path.h"

namespace lazybuild::files {
namespace {

using codec::FileType;
using layers::FileInfo;

constexpr std::uint32_t kDirectoryMode = 0755;
constexpr std::uint32_t kPermissionBits = 0777;

std::string join(std::string_view directory, std::string_view name) {
    std::string path{directory};
    path += path.empty() || name.empty() ? "" : "/";
    path += name;
    return path;
}

class Copier {
  public:
    Copier(const graph::CopyStep& step, PlannedTree& tree) : step_(step), tree_(tree) {}

    Result<void> prepare(layers::FileSource* onto);
    Result<void> copy(const Match& match);
    Result<void> put_text(const graph::InlineFile& file);

  private:
    bool linked() const { return !step_.base; }
    FileInfo made() const;
    Result<std::string> destination();
    Result<void> make(const std::string& directory);
    Result<std::string> place_for_file(const std::string& name);
    Result<void> unpack(const Match& match);
    Result<void> copy_directory(const Match& match);
    Result<void> put(const std::string& path, const Selected& file, layers::FileSource& source);
    void overwrite(FileInfo& info) const;

    const graph::CopyStep& step_;
    PlannedTree& tree_;
    std::optional<Owner> owner_;
    std::optional<dockerfile::FileMode> permissions_;
    /// Of the match that is being copied: names of one file stay names of one file.
    std::map<std::uint64_t, std::uint64_t> inodes_;
};

Result<void> Copier::prepare(layers::FileSource* onto) {
    if (!step_.owner.empty()) {
        TRY(owner_, find_owner(step_.owner, onto));
    }
    if (!step_.permissions.empty()) {
        TRY(permissions_, dockerfile::FileMode::parse(step_.permissions));
    }
    return {};
}

void Copier::overwrite(FileInfo& info) const {
    if (owner_) {
        info.uid = owner_->uid;
        info.gid = owner_->gid;
    }
    if (permissions_ && info.type != FileType::symlink) {
        info.mode = permissions_->apply(info.mode, info.type == FileType::directory);
    }
}

// A mode for files with special bits means none of those for the directories that lead there.
FileInfo Copier::made() const {
    FileInfo info = made_directory(kDirectoryMode, 0, 0);
    overwrite(info);
    info.mode &= kPermissionBits;
    return info;
}

// With --link nothing is known about the file system below: all that leads to the destination is
// new, a plain directory, and looks the same in a mount as in an unpacked image.
Result<void> Copier::make(const std::string& directory) {
    return tree_.make_directories(directory, made());
}

// Where the destination is. With a '/' at its end it is a directory, made when it is missing; else
// the directory that it is to be in is.
Result<std::string> Copier::destination() {
    const std::string_view written = step_.destination;
    const bool directory = written.ends_with('/') || written.ends_with("/.");
    const std::string clean = codec::normalise_path(written, codec::LeadingParents::drop);
    if (directory || clean.empty()) {
        TRY(const std::string place, layers::resolve(tree_, clean));
        CHECK_OK(make(place));
        return place;
    }
    TRY(const std::string parent, layers::resolve(tree_, codec::split_path(clean).directory));
    CHECK_OK(make(parent));
    return layers::resolve(tree_, clean);
}

Result<std::string> Copier::place_for_file(const std::string& name) {
    TRY(std::string place, destination());
    TRY(const std::optional<FileInfo> there, tree_.look(place));
    if (there && there->type == FileType::directory) {
        place = join(place, name);
        TRY(const std::optional<FileInfo> old, tree_.look(place));
        if (old && old->type == FileType::directory) {
            return fail(invalid(fmt::format("cannot replace to directory /{} with file", place)));
        }
        return place;
    }
    CHECK_OK(make(std::string{codec::split_path(place).directory}));
    return place;
}

Result<void> Copier::copy(const Match& match) {
    inodes_.clear();
    if (match.directory) {
        return copy_directory(match);
    }
    const Selected& file = match.files.front();
    if (match.unpack) {
        TRY(const bool archive, is_archive(*match.source, file.from));
        if (archive) {
            return unpack(match);
        }
    }
    TRY(const std::string place, place_for_file(match.name));
    return put(place, file, *match.source);
}

Result<void> Copier::unpack(const Match& match) {
    const Selected& file = match.files.front();
    TRY(const std::string place, layers::resolve(tree_, step_.destination));
    CHECK_OK(make(place));
    TRY(const std::unique_ptr<ByteSource> content, match.source->open(file.from));
    HashingSource bytes{*content, file.info.size_bytes};
    auto unpacked = unpack_archive(bytes, tree_,
                                   UnpackOptions{.directory = place, .owner = owner_, .spool = {}});
    if (!unpacked) {
        return fail(std::move(unpacked).error().context(match.name));
    }
    TRY(const codec::Digest digest, bytes.finish());
    if (digest != file.content->digest) {
        return fail(content_differs(file.from, digest, file.content->digest));
    }
    return {};
}

Result<void> Copier::copy_directory(const Match& match) {
    TRY(const std::string place, destination());
    CHECK_OK(make(place));  // "cannot copy to non-directory" when it is one
    for (const Selected& file : match.files) {
        if (file.to.empty()) {  // the destination keeps what it is like, but for its age
            if (match.by_name && !file.from.empty() && !step_.parents) {
                tree_.date_directory(place, file.info.mtime_s);
            }
            continue;
        }
        const std::string path = join(place, file.to);
        TRY(const std::optional<FileInfo> old, tree_.look(path));
        const bool onto_directory = old && old->type == FileType::directory;
        if (file.info.type != FileType::directory) {
            if (onto_directory) {
                return fail(
                    invalid(fmt::format("cannot replace to directory /{} with file", path)));
            }
            CHECK_OK(put(path, file, *match.source));
            continue;
        }
        if (old && !onto_directory) {
            return fail(invalid(fmt::format("cannot copy to non-directory: /{}", path)));
        }
        if (old && file.on_the_way) {
            continue;
        }
        FileInfo info = file.info;
        overwrite(info);
        CHECK_OK(tree_.put_directory(path, std::move(info)));
    }
    return {};
}

Result<void> Copier::put(const std::string& path, const Selected& file,
                         layers::FileSource& source) {
    FileInfo info = file.info;
    overwrite(info);
    if (info.inode != 0) {
        const auto [known, fresh] = inodes_.emplace(info.inode, 0);
        if (fresh) {
            known->second = tree_.new_inode();
        }
        info.inode = known->second;
    }
    Payload payload;
    if (info.type == FileType::regular) {
        payload.source = &source;
        payload.path = file.from;
        payload.digest = file.content->digest;
    }
    return tree_.put(path, std::move(info), std::move(payload));
}

Result<void> Copier::put_text(const graph::InlineFile& file) {
    TRY(const std::string place, place_for_file(file.name));
    FileInfo info{.type = FileType::regular,
                  .mode = file.mode,
                  .mtime_s = kMadeTimeS,
                  .size_bytes = file.content.size(),
                  .link_target = {},
                  .xattrs = {}};
    overwrite(info);
    return tree_.put(place, std::move(info), Payload{.path = {}, .text = file.content});
}

}  // namespace

Result<layers::LayerPointer> copy(const graph::CopyStep& step, const Selection& selection,
                                  layers::FileSource* onto, layers::LayerMaker& maker) {
    ASSERT(!step.base || onto != nullptr);
    PlannedTree tree{step.base ? onto : nullptr};
    Copier copier{step, tree};
    CHECK_OK(copier.prepare(onto));
    for (const Match& match : selection.matches) {
        CHECK_OK(copier.copy(match));
    }
    for (const graph::InlineFile& file : step.inline_files) {
        CHECK_OK(copier.put_text(file));
    }
    CHECK_OK(tree.write(maker));
    return maker.finish();
}

}  // namespace lazybuild::files
