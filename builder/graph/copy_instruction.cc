// SPDX-License-Identifier: Apache-2.0
// COPY and ADD.
#include <fmt/format.h>

#include <utility>

#include "builder/dockerfile/file_mode.h"
#include "builder/dockerfile/text.h"
#include "builder/graph/copy_patterns.h"
#include "builder/graph/stage_planner.h"

namespace lazybuild::graph {
namespace {

// Patterns of one place that follow each other are taken together.
void add_pattern(CopyStep& step, StepId from, std::string pattern, bool unpack) {
    if (step.sources.empty() || step.sources.back().from != from ||
        step.sources.back().unpack != unpack) {
        step.sources.push_back({.from = from, .patterns = {}, .unpack = unpack});
    }
    step.sources.back().patterns.push_back(std::move(pattern));
}

Result<void> check_checksum(const dockerfile::Copy& copy, const std::vector<std::string>& sources,
                            bool remote) {
    if (copy.checksum.empty()) {
        return {};
    }
    if (!copy.add) {
        return fail(invalid("checksum can't be specified for COPY"));
    }
    if (sources.size() != 1 || !copy.heredocs.empty()) {
        return fail(invalid("checksum can't be specified for multiple sources"));
    }
    if (!remote) {
        return fail(invalid("checksum requires HTTP(S) or Git sources"));
    }
    return {};
}

}  // namespace

Result<void> StagePlanner::carry_out(const dockerfile::Copy& written) {
    dockerfile::Copy copy = written;  // its words as they are expanded
    TRY(copy.owner, expanded(written.owner));
    TRY(copy.permissions, expanded(written.permissions));
    TRY(copy.checksum, expanded(written.checksum));
    for (dockerfile::Word& source : copy.sources) {
        TRY(source, expanded(source));
    }
    TRY(copy.destination, expanded(written.destination));
    if (!copy.permissions.empty()) {
        CHECK_OK(dockerfile::FileMode::parse(copy.permissions));
    }
    CopyStep step;
    step.onto = state_.files;
    // Names of users are those of the stage's own files, so such a copy depends on them.
    if (!copy.link || (!copy.owner.empty() && !is_numeric_owner(copy.owner))) {
        step.base = state_.files;
    }
    step.destination = copy_destination(copy.destination);
    step.owner = copy.owner;
    step.permissions = copy.permissions;
    step.parents = copy.parents;
    step.excludes = copy.excludes;
    const std::string text = counted(shown(instruction_->text));
    CHECK_OK(add_sources(copy, step, text));
    CHECK_OK(add_heredocs(copy, step));
    std::string history = copy_history(copy);
    Step made = make_step(text);
    made.what = std::move(step);
    add_layer(std::move(made), std::move(history));
    return {};
}

Result<void> StagePlanner::add_sources(const dockerfile::Copy& copy, CopyStep& step,
                                       const std::string& text) {
    std::optional<StepId> files;
    if (!copy.from.empty()) {
        TRY(const Place place, planning_.stages.find(copy.from, node_.index));
        files = files_of(place);
        if (!files) {
            return fail(invalid(fmt::format(
                "cannot copy from stage {}, it needs to be defined before current stage {}",
                dockerfile::quoted(copy.from), dockerfile::quoted(node_.progress_name))));
        }
    }
    bool remote = false;
    for (const std::string& source : copy.sources) {
        TRY(const std::optional<GitReference> git, parse_git_reference(source));
        remote = git || is_url(source);
        if (remote && !copy.add) {
            return fail(invalid(git ? "source can't be a git ref for COPY"
                                    : "source can't be a URL for COPY"));
        }
        CHECK_OK(check_checksum(copy, copy.sources, remote));
        if (git) {
            CHECK_OK(add_git(copy, *git, step, text));
        } else if (remote) {
            CHECK_OK(add_http(copy, source, step, text));
        } else {
            const StepId from = files ? *files : planning_.context_files("context");
            add_pattern(step, from, clean_pattern(source, copy.parents),
                        copy.unpack.value_or(copy.add));
        }
    }
    return check_checksum(copy, copy.sources, remote);
}

Result<void> StagePlanner::add_git(const dockerfile::Copy& copy, const GitReference& reference,
                                   CopyStep& step, const std::string& text) {
    GitStep git = reference.step;
    if (copy.keep_git_directory) {
        if (reference.keep_git_directory_given &&
            *copy.keep_git_directory != git.keep_git_directory) {
            return fail(invalid("inconsistent keep-git-dir configuration"));
        }
        git.keep_git_directory = *copy.keep_git_directory;
    }
    if (!copy.checksum.empty()) {
        if (!git.checksum.empty() && git.checksum != copy.checksum) {
            return fail(
                invalid(fmt::format("checksum mismatch {} != {}", dockerfile::quoted(copy.checksum),
                                    dockerfile::quoted(git.checksum))));
        }
        git.checksum = copy.checksum;
    }
    const std::string key =
        fmt::format("git {}\n{}\n{}\n{}\n{}{}{}", git.remote, git.reference, git.directory,
                    git.checksum, git.keep_git_directory, git.submodules, git.commit_times);
    Step source = make_step(text);
    source.what = std::move(git);
    add_pattern(step, planning_.steps.add_once(key, std::move(source)), "", false);
    return {};
}

Result<void> StagePlanner::add_http(const dockerfile::Copy& copy, const std::string& url,
                                    CopyStep& step, const std::string& text) {
    if (!copy.checksum.empty()) {
        CHECK_OK(codec::Digest::parse(copy.checksum));
    }
    const std::string name = file_name_of_url(url);
    Step source = make_step(text);
    source.what = HttpStep{.url = url, .file_name = name, .checksum = copy.checksum};
    const StepId id =
        planning_.steps.add_once(fmt::format("http {}\n{}", url, copy.checksum), std::move(source));
    add_pattern(step, id, literal_pattern(name), copy.unpack.value_or(false));
    return {};
}

Result<void> StagePlanner::add_heredocs(const dockerfile::Copy& copy, CopyStep& step) {
    for (const dockerfile::Heredoc& heredoc : copy.heredocs) {
        if (heredoc.name == "." || heredoc.name == ".." ||
            heredoc.name.find('/') != std::string::npos) {
            return fail(invalid(
                fmt::format("a file cannot be called {}", dockerfile::quoted(heredoc.name))));
        }
        InlineFile file{.name = heredoc.name, .content = heredoc.content};
        if (heredoc.expand) {
            TRY(dockerfile::Expansion content,
                dockerfile::expand_content(heredoc.content, lookup_in(state_.environment)));
            warn_of_undefined(content.undefined);
            file.content = std::move(content.text);
        }
        step.inline_files.push_back(std::move(file));
    }
    return {};
}

std::string StagePlanner::copy_destination(const std::string& written) const {
    const bool is_directory =
        written.empty() || written == "." || written.ends_with('/') || written.ends_with("/.");
    const std::string path = absolute(written);
    return is_directory && path != "/" ? path + "/" : path;
}

std::string StagePlanner::copy_history(const dockerfile::Copy& copy) {
    std::string history = copy.add ? "ADD" : "COPY";
    if (copy.parents) {
        history += " --parents";
    }
    if (!copy.owner.empty()) {
        history += " --chown=" + copy.owner;
    }
    if (!copy.permissions.empty()) {
        history += " --chmod=" + copy.permissions;
    }
    for (const std::string& source : copy.sources) {
        history += " " + source;
    }
    for (const dockerfile::Heredoc& heredoc : copy.heredocs) {
        history += " <<" + heredoc.name;
    }
    return history + " " + copy.destination + " # buildkit";
}

}  // namespace lazybuild::graph
