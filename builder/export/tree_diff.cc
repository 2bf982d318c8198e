// SPDX-License-Identifier: Apache-2.0
#include "builder/export/tree_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "codec/file_type.h"

namespace lazybuild::exporter {
namespace {

using codec::FileType;
using layers::FileInfo;
using layers::FileSource;

std::string xattr_names(const FileInfo& info) {
    std::string names;
    for (const codec::Xattr& xattr : info.xattrs) {
        names += names.empty() ? xattr.name : "," + xattr.name;
    }
    return names.empty() ? "none" : names;
}

bool same_xattrs(const FileInfo& before, const FileInfo& after) {
    return std::ranges::equal(before.xattrs, after.xattrs, [](const auto& one, const auto& other) {
        return one.name == other.name && one.value == other.value;
    });
}

class Comparison {
  public:
    Comparison(FileSource& before, FileSource& after, const DiffOptions& options,
               const std::function<Result<void>(const FileDifference&)>& tell)
        : before_(before), after_(after), options_(options), tell_(tell) {}
    Result<void> run();

  private:
    struct Step {
        std::string path;
        bool in_before = false;
        bool in_after = false;
    };
    Result<void> visit(const Step& step);
    Result<void> visit_both(const Step& step, const FileInfo& before, const FileInfo& after);
    Result<void> enter(const std::string& path, bool in_before, bool in_after);
    Result<std::vector<AttributeChange>> changes(const std::string& path, const FileInfo& before,
                                                 const FileInfo& after);
    Result<void> compare_content(const std::string& path, const FileInfo& before,
                                 const FileInfo& after, std::vector<AttributeChange>& changes);

    FileSource& before_;
    FileSource& after_;
    const DiffOptions& options_;
    const std::function<Result<void>(const FileDifference&)>& tell_;
    std::vector<Step> pending_;  // the next one last
};

Result<void> Comparison::compare_content(const std::string& path, const FileInfo& before,
                                         const FileInfo& after,
                                         std::vector<AttributeChange>& changes) {
    if (before.size_bytes != after.size_bytes) {
        changes.push_back({.what = "size",
                           .before = std::to_string(before.size_bytes),
                           .after = std::to_string(after.size_bytes)});
        return {};
    }
    if (before.size_bytes == 0) {
        return {};
    }
    TRY(const auto one, before_.digest(path));
    TRY(const auto other, after_.digest(path));
    if (one.digest != other.digest) {
        changes.push_back(
            {.what = "content", .before = one.digest.text(), .after = other.digest.text()});
    }
    return {};
}

Result<std::vector<AttributeChange>> Comparison::changes(const std::string& path,
                                                         const FileInfo& before,
                                                         const FileInfo& after) {
    std::vector<AttributeChange> found;
    auto compare = [&found](const char* what, const std::string& one, const std::string& other) {
        if (one != other) {
            found.push_back({.what = what, .before = one, .after = other});
        }
    };
    compare("type", std::string{codec::type_name(before.type)},
            std::string{codec::type_name(after.type)});
    compare("mode", fmt::format("{:04o}", before.mode), fmt::format("{:04o}", after.mode));
    compare("owner", fmt::format("{}:{}", before.uid, before.gid),
            fmt::format("{}:{}", after.uid, after.gid));
    compare("target", before.link_target, after.link_target);
    compare("device", fmt::format("{}:{}", before.device_major, before.device_minor),
            fmt::format("{}:{}", after.device_major, after.device_minor));
    if (!same_xattrs(before, after)) {
        found.push_back(
            {.what = "xattrs", .before = xattr_names(before), .after = xattr_names(after)});
    }
    if (before.type == FileType::regular && after.type == FileType::regular) {
        CHECK_OK(compare_content(path, before, after, found));
    }
    if (options_.times) {
        compare("time", std::to_string(before.mtime_s), std::to_string(after.mtime_s));
    }
    return found;
}

Result<void> Comparison::enter(const std::string& path, bool in_before, bool in_after) {
    std::vector<std::string> one;
    std::vector<std::string> other;
    if (in_before) {
        TRY(one, before_.list(path));
    }
    if (in_after) {
        TRY(other, after_.list(path));
    }
    std::vector<std::string> all;
    std::ranges::set_union(one, other, std::back_inserter(all));
    for (auto name = all.rbegin(); name != all.rend(); ++name) {
        pending_.push_back({.path = path.empty() ? *name : path + "/" + *name,
                            .in_before = std::ranges::binary_search(one, *name),
                            .in_after = std::ranges::binary_search(other, *name)});
    }
    return {};
}

Result<void> Comparison::visit_both(const Step& step, const FileInfo& before,
                                    const FileInfo& after) {
    TRY(std::vector<AttributeChange> found, changes(step.path, before, after));
    if (!found.empty()) {
        CHECK_OK(tell_({.kind = FileDifference::Kind::changed,
                        .path = step.path,
                        .info = after,
                        .changes = std::move(found)}));
    }
    const bool directory_before = before.type == FileType::directory;
    const bool directory_after = after.type == FileType::directory;
    return directory_before || directory_after ? enter(step.path, directory_before, directory_after)
                                               : Result<void>{};
}

Result<void> Comparison::visit(const Step& step) {
    std::optional<FileInfo> before;
    std::optional<FileInfo> after;
    if (step.in_before) {
        TRY(before, before_.look(step.path));
    }
    if (step.in_after) {
        TRY(after, after_.look(step.path));
    }
    if (before && after) {
        return visit_both(step, *before, *after);
    }
    if (!before && !after) {
        return {};
    }
    const FileInfo& info = before ? *before : *after;
    CHECK_OK(tell_({.kind = before ? FileDifference::Kind::removed : FileDifference::Kind::added,
                    .path = step.path,
                    .info = info,
                    .changes = {}}));
    return info.type == FileType::directory
               ? enter(step.path, before.has_value(), after.has_value())
               : Result<void>{};
}

Result<void> Comparison::run() {
    // The root's own attributes are the snapshotter's, not the image's.
    CHECK_OK(enter("", true, true));
    while (!pending_.empty()) {
        const Step step = std::move(pending_.back());
        pending_.pop_back();
        if (auto done = visit(step); !done) {
            return fail(std::move(done).error().context("/" + step.path));
        }
    }
    return {};
}

}  // namespace

Result<void> compare_files(FileSource& before, FileSource& after, const DiffOptions& options,
                           const std::function<Result<void>(const FileDifference&)>& tell) {
    return Comparison{before, after, options, tell}.run();
}

}  // namespace lazybuild::exporter
