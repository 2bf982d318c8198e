// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/why.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

namespace lazybuild::solve {
namespace {

constexpr std::size_t kShownMax = 5;

std::set<std::string_view> lines_of(std::string_view text) {
    std::set<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        lines.insert(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return lines;
}

std::vector<std::string_view> only_in(const std::set<std::string_view>& here,
                                      const std::set<std::string_view>& there) {
    std::vector<std::string_view> lines;
    std::ranges::set_difference(here, there, std::back_inserter(lines));
    return lines;
}

const Record* nearest(const std::set<std::string_view>& wanted,
                      const std::vector<Record>& candidates) {
    const Record* best = nullptr;
    std::size_t best_distance = 0;
    for (const Record& candidate : candidates) {
        const auto lines = lines_of(candidate.definition);
        const std::size_t distance = only_in(wanted, lines).size() + only_in(lines, wanted).size();
        if (best == nullptr || distance < best_distance) {
            best = &candidate;
            best_distance = distance;
        }
    }
    return best;
}

// "src/main.c sha256:…" → name and the rest; a name may hold blanks.
std::map<std::string_view, std::string_view> by_name(const std::vector<std::string>& files) {
    std::map<std::string_view, std::string_view> names;
    for (const std::string_view file : files) {
        const std::size_t blank = file.rfind(' ');
        names[file.substr(0, blank)] =
            blank == std::string_view::npos ? std::string_view{} : file.substr(blank + 1);
    }
    return names;
}

void describe_files(const std::vector<std::string>& now, const std::vector<std::string>& before,
                    std::vector<std::string>& sentences) {
    const auto new_names = by_name(now);
    const auto old_names = by_name(before);
    for (const auto& [name, digest] : new_names) {
        const auto old = old_names.find(name);
        if (old == old_names.end()) {
            sentences.push_back(fmt::format("{} is new", name));
        } else if (old->second != digest) {
            sentences.push_back(fmt::format("{} changed", name));
        }
    }
    for (const auto& [name, digest] : old_names) {
        if (!new_names.contains(name)) {
            sentences.push_back(fmt::format("{} is gone", name));
        }
    }
}

void describe_lines(const std::set<std::string_view>& wanted,
                    const std::set<std::string_view>& known, bool files_explained,
                    std::vector<std::string>& sentences) {
    for (const std::string_view line : only_in(wanted, known)) {
        if (line.starts_with("base ")) {
            sentences.emplace_back("a step before it made something else");
        } else if (line.starts_with("source ") || line.starts_with("mount ")) {
            sentences.emplace_back("what it reads has changed");
        } else if (line.starts_with("files ")) {
            if (!files_explained) {
                sentences.emplace_back("modes, owners or other attributes of its files changed");
            }
        } else if (!line.starts_with("lazybuild key ")) {
            sentences.push_back(fmt::format("it says “{}” now", line));
        }
    }
    for (const std::string_view line : only_in(known, wanted)) {
        if (!line.starts_with("base ") && !line.starts_with("source ") &&
            !line.starts_with("mount ") && !line.starts_with("files ") &&
            !line.starts_with("lazybuild key ")) {
            sentences.push_back(fmt::format("it said “{}” before", line));
        }
    }
}

}  // namespace

std::string why_not_cached(const std::string& key_text, const std::vector<std::string>& files,
                           const std::vector<Record>& candidates) {
    const auto wanted = lines_of(key_text);
    const Record* const record = nearest(wanted, candidates);
    if (record == nullptr) {
        return "no step like this was built before";
    }
    std::vector<std::string> sentences;
    if (!files.empty() && !record->files.empty()) {
        describe_files(files, record->files, sentences);
    }
    const bool files_explained = !sentences.empty();
    describe_lines(wanted, lines_of(record->definition), files_explained, sentences);
    if (sentences.empty()) {
        return "its record is gone";
    }
    const std::size_t more = sentences.size() - std::min(sentences.size(), kShownMax);
    sentences.resize(std::min(sentences.size(), kShownMax));
    return fmt::format("{}{}", fmt::join(sentences, "; "),
                       more == 0 ? "" : fmt::format("; and {} more", more));
}

}  // namespace lazybuild::solve
