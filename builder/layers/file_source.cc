// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/file_source.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "codec/lexical_path.h"

namespace lazybuild::layers {
namespace {

constexpr std::size_t kLinksFollowedMax = 255;

Error too_many_links(std::string_view path) {
    return Error{.code = std::errc::too_many_symbolic_link_levels,
                 .message = fmt::format("{}: more than {} symbolic links on the way", path,
                                        kLinksFollowedMax)};
}

/// "a/b" → "a", "a" → "".
void leave(std::string& directory) {
    const std::size_t slash = directory.rfind('/');
    directory.resize(slash == std::string::npos ? 0 : slash);
}

void enter(std::string& directory, std::string_view name) {
    directory += directory.empty() ? "" : "/";
    directory += name;
}

/// What is to be walked after a link: its target, then what came after the link.
Result<std::string> follow(std::string_view path, std::string_view target, std::string_view rest) {
    std::string next = codec::normalise_path(target, codec::LeadingParents::keep);
    next += !next.empty() && !rest.empty() ? "/" : "";
    next += rest;
    if (next.size() > codec::kPathBytesMax) {
        return fail(over_limit(fmt::format("{}: a symbolic link makes it longer than {} bytes",
                                           path, codec::kPathBytesMax)));
    }
    return next;
}

}  // namespace

codec::LayerEntry entry_of(const std::string& path, const FileInfo& info) {
    return {.type = info.type,
            .path = path.empty() ? "./" : path,
            .mode = info.mode,
            .uid = info.uid,
            .gid = info.gid,
            .mtime_s = info.mtime_s,
            .size_bytes = info.type == codec::FileType::regular ? info.size_bytes : 0,
            .device_major = info.device_major,
            .device_minor = info.device_minor,
            .link_target = info.type == codec::FileType::symlink ? info.link_target : "",
            .xattrs = info.xattrs};
}

Result<std::string> resolve(FileSource& source, std::string_view path) {
    std::string here;
    std::string rest = codec::normalise_path(path, codec::LeadingParents::drop);
    for (std::size_t links = 0; !rest.empty();) {
        std::string_view remaining = rest;
        const std::string_view name = codec::take_component(remaining);
        std::string next{remaining};
        if (name == "..") {
            leave(here);
            rest = std::move(next);
            continue;
        }
        std::string place = here;
        enter(place, name);
        TRY(const std::optional<FileInfo> found, source.look(place));
        if (found && found->type == codec::FileType::symlink) {
            if (++links > kLinksFollowedMax) {
                return fail(too_many_links(path));
            }
            TRY(next, follow(path, found->link_target, remaining));
            if (found->link_target.starts_with('/')) {
                here.clear();
            }
        } else {
            here = std::move(place);
        }
        rest = std::move(next);
    }
    return here;
}

}  // namespace lazybuild::layers
