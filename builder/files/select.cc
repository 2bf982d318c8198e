// SPDX-License-Identifier: Apache-2.0
// Which files a COPY takes. A source is one of three: a name, whose symlinks are followed; a
// pattern, each match of which is like a name; and, with --parents, a pattern that keeps the names
// on the way, where nothing is followed below the pivot.
#include <fmt/format.h>

#include <memory>
#include <utility>

#include "builder/dockerfile/ignore.h"
#include "builder/dockerfile/path_match.h"
#include "builder/files/copy.h"
#include "builder/files/patterns.h"
#include "builder/files/selection_digest.h"
#include "codec/lexical_path.h"

namespace lazybuild::files {
namespace {

using codec::FileType;
using dockerfile::IgnorePatterns;
using dockerfile::PathPattern;
using layers::FileInfo;
using layers::FileSource;

std::string join(std::string_view directory, std::string_view name) {
    std::string path{directory};
    path += path.empty() || name.empty() ? "" : "/";
    path += name;
    return path;
}

// `place` is where the symlinks of `path` lead.
Error not_found(FileSource& source, std::string_view path, std::string_view place) {
    std::string message = fmt::format("\"/{}\": not found", path);
    if (place != path) {
        message += fmt::format(" (symlinks lead to \"/{}\")", place);
    }
    if (const std::string why = source.explain_absence(place); !why.empty()) {
        message += " (" + why + ")";
    }
    return Error{.code = std::errc::no_such_file_or_directory, .message = std::move(message)};
}

class Selector {
  public:
    Selector(const graph::CopyStep& step, IgnorePatterns excludes)
        : step_(step), excludes_(std::move(excludes)) {}

    Result<void> add(const graph::CopySource& wanted, FileSource& source);
    Result<Selection> finish() &&;

  private:
    Result<void> add_named(const graph::CopySource& wanted, FileSource& source,
                           const std::string& path);
    Result<void> add_matching(const graph::CopySource& wanted, FileSource& source,
                              const PathPattern& pattern, const std::string& root,
                              const std::string& inside);
    Result<void> add_with_parents(FileSource& source, const std::string& pattern);
    Result<void> walk(Match& match, const std::string& from, const std::string& to);
    Result<void> walk_parents(Match& match, const PathPattern& wanted, const std::string& from,
                              const std::string& to, std::vector<Selected>& on_the_way);
    Result<void> take(Match& match, Selected selected);
    Result<void> digest(Match& match) const;

    const graph::CopyStep& step_;
    const IgnorePatterns excludes_;
    Selection selection_;
    std::size_t files_ = 0;
};

Result<void> Selector::add(const graph::CopySource& wanted, FileSource& source) {
    for (const std::string& pattern : wanted.patterns) {
        if (step_.parents) {
            CHECK_OK(add_with_parents(source, pattern));
            continue;
        }
        const dockerfile::SplitPattern split = dockerfile::split_at_wildcard(pattern);
        if (split.wildcard.empty()) {
            CHECK_OK(add_named(wanted, source, split.literal));
            continue;
        }
        TRY(const PathPattern wildcard,
            PathPattern::parse(split.wildcard, dockerfile::Stars::component));
        TRY(const std::string root, layers::resolve(source, split.literal));
        TRY(const std::optional<FileInfo> info, source.look(root));
        if (info && info->type == FileType::directory) {
            CHECK_OK(add_matching(wanted, source, wildcard, root, ""));
        }
    }
    return {};
}

Result<void> Selector::add_named(const graph::CopySource& wanted, FileSource& source,
                                 const std::string& path) {
    TRY(const std::string place, layers::resolve(source, path));
    TRY(std::optional<FileInfo> info, source.look(place));
    if (!info) {
        if (!step_.required_literals) {
            return {};
        }
        return fail(not_found(source, path, place));
    }
    Match match{.source = &source,
                .name = path.substr(path.rfind('/') + 1),
                .directory = info->type == FileType::directory,
                .unpack = wanted.unpack && info->type == FileType::regular,
                .files = {}};
    const bool directory = match.directory;
    if (!directory && (excludes_.excludes(match.name) || excludes_.excludes(path))) {
        return {};
    }
    CHECK_OK(
        take(match, Selected{.from = place, .to = {}, .info = *std::move(info), .content = {}}));
    if (directory) {
        CHECK_OK(walk(match, place, ""));
    }
    CHECK_OK(digest(match));
    selection_.matches.push_back(std::move(match));
    return {};
}

// What matches in the directory `inside` of `root`. What does is not looked into for more, and
// nothing is followed on the way.
Result<void> Selector::add_matching(const graph::CopySource& wanted, FileSource& source,
                                    const PathPattern& pattern, const std::string& root,
                                    const std::string& inside) {
    TRY(const std::vector<std::string> names, source.list(join(root, inside)));
    for (const std::string& name : names) {
        const std::string relative = join(inside, name);
        const std::string path = join(root, relative);
        if (pattern.matches(relative)) {
            const std::size_t before = selection_.matches.size();
            CHECK_OK(add_named(wanted, source, path));
            if (selection_.matches.size() > before) {
                selection_.matches.back().by_name = false;
            }
        } else if (pattern.could_match_below(relative)) {
            TRY(const std::optional<FileInfo> info, source.look(path));
            if (info && info->type == FileType::directory) {
                CHECK_OK(add_matching(wanted, source, pattern, root, relative));
            }
        }
    }
    return {};
}

// Everything in the directory `from`, with names that begin with `to`.
Result<void> Selector::walk(Match& match, const std::string& from, const std::string& to) {
    TRY(const std::vector<std::string> names, match.source->list(from));
    std::vector<std::string> regular;
    for (const std::string& name : names) {
        const std::string path = join(from, name);
        const std::string inside = join(to, name);
        const bool excluded = excludes_.excludes(inside);
        if (excluded && excludes_.excludes_all_of(inside)) {
            continue;
        }
        TRY(std::optional<FileInfo> info, match.source->look(path));
        if (!info) {
            continue;  // it went away meanwhile
        }
        const bool directory = info->type == FileType::directory;
        if (info->type == FileType::regular && !excluded) {
            regular.push_back(path);
        }
        if (excluded && !directory) {
            continue;
        }
        const std::size_t before = match.files.size();
        CHECK_OK(take(match, Selected{.from = path,
                                      .to = inside,
                                      .info = *std::move(info),
                                      .content = {},
                                      .on_the_way = excluded}));
        if (directory) {
            CHECK_OK(walk(match, path, inside));
        }
        if (excluded && match.files.size() == before + 1) {
            match.files.pop_back();  // nothing in it came back
            --files_;
        }
    }
    match.source->expect_digests(regular);
    return {};
}

Result<void> Selector::add_with_parents(FileSource& source, const std::string& pattern) {
    const PivotPattern pivot = split_pivot(pattern);
    TRY(const std::string root, layers::resolve(source, pivot.root));
    TRY(std::optional<FileInfo> info, source.look(root));
    if (!info) {
        return step_.required_literals ? Result<void>{fail(not_found(source, pivot.root, root))}
                                       : Result<void>{};
    }
    if (info->type != FileType::directory) {
        return fail(invalid(fmt::format("\"/{}\" is not a directory", pivot.root)));
    }
    if (step_.required_literals && !dockerfile::has_wildcards(pivot.pattern)) {
        const std::string path = join(root, pivot.pattern);
        TRY(const std::optional<FileInfo> literal, source.look(path));
        if (!literal) {
            return fail(not_found(source, path, path));
        }
    }
    Match match{.source = &source, .name = {}, .directory = true, .unpack = false, .files = {}};
    CHECK_OK(
        take(match, Selected{.from = root, .to = {}, .info = *std::move(info), .content = {}}));
    if (pivot.pattern.empty()) {
        CHECK_OK(walk(match, root, ""));
    } else {
        TRY(const PathPattern wanted, PathPattern::parse(pivot.pattern, dockerfile::Stars::tree));
        std::vector<Selected> on_the_way;
        CHECK_OK(walk_parents(match, wanted, root, "", on_the_way));
    }
    CHECK_OK(digest(match));
    selection_.matches.push_back(std::move(match));
    return {};
}

// As walk(), but only what `wanted` matches; directories that lead there are taken once something
// in them is.
Result<void> Selector::walk_parents(Match& match, const PathPattern& wanted,
                                    const std::string& from, const std::string& to,
                                    std::vector<Selected>& on_the_way) {
    TRY(const std::vector<std::string> names, match.source->list(from));
    for (const std::string& name : names) {
        const std::string inside = join(to, name);
        const bool matches = wanted.matches_or_parent(inside);
        if (!matches && !wanted.could_match_below(inside)) {
            continue;
        }
        if ((excludes_.excludes(inside) && excludes_.excludes_all_of(inside))) {
            continue;
        }
        const std::string path = join(from, name);
        TRY(std::optional<FileInfo> info, match.source->look(path));
        if (!info) {
            continue;
        }
        const bool directory = info->type == FileType::directory;
        Selected selected{
            .from = path, .to = inside, .info = *std::move(info), .content = {}, .on_the_way = {}};
        if (matches) {
            if (excludes_.excludes(inside) && !directory) {
                continue;
            }
            for (Selected& parent : on_the_way) {
                if (!parent.to.empty()) {
                    CHECK_OK(take(match, std::exchange(parent, Selected{})));
                }
            }
            CHECK_OK(take(match, std::move(selected)));
            if (directory) {
                CHECK_OK(walk(match, path, inside));
            }
        } else if (directory) {
            selected.on_the_way = true;
            on_the_way.push_back(std::move(selected));
            CHECK_OK(walk_parents(match, wanted, path, inside, on_the_way));
            on_the_way.pop_back();
        }
    }
    return {};
}

Result<void> Selector::take(Match& match, Selected selected) {
    if (++files_ > kSelectedFilesMax) {
        return fail(over_limit(
            fmt::format("more than {} files are selected; exclude some", kSelectedFilesMax)));
    }
    match.files.push_back(std::move(selected));
    return {};
}

// All at once: a source that can hashes several files at a time. Further names of one file are it.
Result<void> Selector::digest(Match& match) const {
    std::vector<std::string> paths;
    std::vector<Selected*> wanted;
    for (Selected& file : match.files) {
        if (file.info.type == FileType::regular) {
            paths.push_back(file.from);
            wanted.push_back(&file);
        }
    }
    TRY(const std::vector<layers::ContentDigest> digests, match.source->digests(paths));
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        wanted[i]->content = digests[i];
    }
    return {};
}

Result<Selection> Selector::finish() && {
    TRY(const Overwritten overwritten, overwritten_by(step_));
    digest_selection(selection_, overwritten);
    return std::move(selection_);
}

}  // namespace

Result<Selection> select(const graph::CopyStep& step, const Sources& sources) {
    TRY(IgnorePatterns excludes, IgnorePatterns::of(step.excludes));
    Selector selector{step, std::move(excludes)};
    for (const graph::CopySource& wanted : step.sources) {
        const auto source = sources.find(wanted.from);
        ASSERT(source != sources.end() && source->second != nullptr);
        CHECK_OK(selector.add(wanted, *source->second));
    }
    return std::move(selector).finish();
}

}  // namespace lazybuild::files
