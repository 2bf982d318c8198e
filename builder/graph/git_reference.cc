// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/git_reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

#include "builder/graph/percent.h"
#include "codec/lexical_path.h"

namespace lazybuild::graph {
namespace {

// "user@host:path": what scp takes.
bool is_scp_style(std::string_view text) {
    const std::size_t at = text.find('@');
    const std::size_t colon = text.find(':');
    return at != std::string_view::npos && colon != std::string_view::npos && at > 0 &&
           at + 1 < colon && colon + 1 < text.size() &&
           text.substr(0, colon).find('/') == std::string_view::npos;
}

bool is_git(std::string_view remote) {
    if (remote.starts_with("ssh://") || remote.starts_with("git://")) {
        return true;
    }
    if (remote.starts_with("http://") || remote.starts_with("https://")) {
        return remote.ends_with(".git");
    }
    return remote.find("://") == std::string_view::npos && is_scp_style(remote);
}

Result<std::map<std::string, std::string>> parse_query(std::string_view query) {
    std::map<std::string, std::string> values;
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view pair = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        if (pair.empty()) {
            continue;
        }
        const std::size_t equals = std::min(pair.find('='), pair.size());
        std::string name = percent_decoded(pair.substr(0, equals), true);
        std::string value = percent_decoded(pair.substr(std::min(equals + 1, pair.size())), true);
        if (!values.emplace(name, std::move(value)).second) {
            return fail(invalid(fmt::format("query \"{}\" has multiple values", name)));
        }
    }
    return values;
}

Result<bool> parse_switch(const std::string& name, const std::string& value) {
    constexpr std::array<std::string_view, 6> kTrue = {"", "1", "t", "true", "TRUE", "True"};
    constexpr std::array<std::string_view, 5> kFalse = {"0", "f", "false", "FALSE", "False"};
    if (std::ranges::find(kTrue, value) != kTrue.end()) {
        return true;
    }
    if (std::ranges::find(kFalse, value) != kFalse.end()) {
        return false;
    }
    return fail(invalid(fmt::format("invalid {} value: \"{}\"", name, value)));
}

Result<void> set_once(std::string& member, const std::string& value, std::string_view what) {
    if (!member.empty() && member != value) {
        return fail(invalid(fmt::format("{} conflicts: \"{}\" vs \"{}\"", what, member, value)));
    }
    member = value;
    return {};
}

std::string below(std::string_view prefix, const std::string& name) {
    return name.starts_with(prefix) ? name : std::string(prefix) + name;
}

Result<void> apply_query(const std::string& name, const std::string& value,
                         GitReference& reference) {
    GitStep& step = reference.step;
    if (name == "submodules") {
        TRY(step.submodules, parse_switch(name, value));
        return {};
    }
    if (name == "keep-git-dir") {
        reference.keep_git_directory_given = true;
        TRY(step.keep_git_directory, parse_switch(name, value));
        return {};
    }
    if (name == "fetch-by-commit") {
        TRY([[maybe_unused]] const bool checked, parse_switch(name, value));
        return {};  // how it is fetched anyway
    }
    if (value.empty()) {
        return fail(invalid(fmt::format("query \"{}\" has no value", name)));
    }
    if (name == "ref") {
        return set_once(step.reference, value, "ref");
    }
    if (name == "tag") {
        return set_once(step.reference, below("refs/tags/", value), "ref");
    }
    if (name == "branch") {
        return set_once(step.reference, below("refs/heads/", value), "ref");
    }
    if (name == "subdir") {
        return set_once(step.directory, codec::normalise_path(value, codec::LeadingParents::drop),
                        "subdir");
    }
    if (name == "checksum" || name == "commit") {
        return set_once(step.checksum, value, "checksum");
    }
    if (name == "mtime") {
        if (value != "checkout" && value != "commit") {
            return fail(invalid(fmt::format(
                "invalid mtime value: \"{}\" (must be \"checkout\" or \"commit\")", value)));
        }
        step.commit_times = value == "commit";
        return {};
    }
    return fail(invalid(fmt::format("unexpected query \"{}\"", name)));
}

Result<void> check(const GitStep& step) {
    for (const std::string* text : {&step.remote, &step.reference, &step.checksum}) {
        if (text->starts_with('-')) {
            return fail(invalid(fmt::format("\"{}\" begins with a '-'", *text)));
        }
    }
    if (step.checksum.find_first_not_of("0123456789abcdef") != std::string::npos) {
        return fail(invalid(fmt::format(
            "\"{}\" is no commit: a checksum is (the beginning of) its hexadecimal name",
            step.checksum)));
    }
    return {};
}

}  // namespace

Result<std::optional<GitReference>> parse_git_reference(std::string_view text) {
    const std::size_t fragment_at = std::min(text.find('#'), text.size());
    std::string_view remote = text.substr(0, fragment_at);
    const std::size_t query_at = std::min(remote.find('?'), remote.size());
    const std::string_view query = remote.substr(std::min(query_at + 1, remote.size()));
    remote = remote.substr(0, query_at);
    if (!is_git(remote)) {
        return std::optional<GitReference>{};
    }
    GitReference reference;
    reference.step.remote = remote;
    const std::string fragment =
        percent_decoded(text.substr(std::min(fragment_at + 1, text.size())), false);
    const std::size_t colon = std::min(fragment.find(':'), fragment.size());
    reference.step.reference = fragment.substr(0, colon);
    reference.step.directory = codec::normalise_path(
        std::string_view(fragment).substr(std::min(colon + 1, fragment.size())),
        codec::LeadingParents::drop);
    TRY(const auto values, parse_query(query));
    if (values.contains("tag") && values.contains("branch")) {
        return fail(invalid("branch conflicts with tag"));
    }
    for (const auto& [name, value] : values) {
        if (auto applied = apply_query(name, value, reference); !applied) {
            return fail(std::move(applied).error().context(text));
        }
    }
    CHECK_OK(check(reference.step));
    return std::optional{std::move(reference)};
}

}  // namespace lazybuild::graph
