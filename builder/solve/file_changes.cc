// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/file_changes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "builder/solve/records.h"

namespace lazybuild::solve {
namespace {

// As files::Selection::names has it.
struct FileLine {
    std::string_view mode, owner, rest;
};

// Cuts the last word off; a name may hold blanks.
std::string_view take_last(std::string_view& line) {
    const std::size_t blank = line.rfind(' ');
    if (blank == std::string_view::npos) {
        return {};
    }
    const std::string_view word = line.substr(blank + 1);
    line = line.substr(0, blank);
    return word;
}

std::map<std::string_view, FileLine> by_name(const std::vector<std::string>& files) {
    std::map<std::string_view, FileLine> names;
    for (std::string_view name : files) {
        FileLine line;
        line.rest = take_last(name);
        line.owner = take_last(name);
        line.mode = take_last(name);
        names[name] = line;
    }
    return names;
}

constexpr std::size_t kLitterShownMax = 3;  // of each kind

// Files that nobody meant to copy: what to say of them, and what would keep them out.
struct Litter {
    std::string_view what, pattern;
};

bool is_swap_file(std::string_view name) {
    return name.size() > 5 && name.starts_with('.') && name.substr(name.size() - 4, 3) == ".sw" &&
           name.back() >= 'a' && name.back() <= 'z';
}

const Litter* litter_of(std::string_view path) {
    static constexpr std::array<Litter, 6> kLitter{{
        {"the files of .git, which differ from clone to clone,", "**/.git"},
        {"backups of an editor", "**/*~"},
        {"locks of an editor", "**/.#*"},
        {"swap files of an editor", "**/.*.sw?"},
        {"a file browser's .DS_Store", "**/.DS_Store"},
        {"an editor's test file 4913", "**/4913"},
    }};
    const std::string_view name = path.substr(path.rfind('/') + 1);
    if (path == ".git" || path.starts_with(".git/") || path.find("/.git/") != std::string::npos ||
        path.ends_with("/.git")) {
        return &kLitter[0];
    }
    return name.ends_with('~')      ? &kLitter[1]
           : name.starts_with(".#") ? &kLitter[2]
           : is_swap_file(name)     ? &kLitter[3]
           : name == ".DS_Store"    ? &kLitter[4]
           : name == "4913"         ? &kLitter[5]
                                    : nullptr;
}

std::string describe(std::string_view name, const FileLine& now, const FileLine& before) {
    if (now.rest != before.rest || now.mode.substr(0, 1) != before.mode.substr(0, 1)) {
        return fmt::format("{} changed", name);
    }
    if (now.mode != before.mode) {
        return fmt::format("the mode of {} changed: {} -> {}", name, before.mode.substr(1),
                           now.mode.substr(1));
    }
    return fmt::format("the owner of {} changed: {} -> {}", name, before.owner, now.owner);
}

class Changes {
  public:
    explicit Changes(bool from_context) : from_context_(from_context) {}

    void add(std::string_view name, std::string sentence) {
        if (const Litter* litter = litter_of(name)) {
            litter_[litter].emplace_back(name);
        } else if (sentences_.size() < kFilesShownMax) {
            sentences_.push_back(std::move(sentence));
        } else {
            ++more_;
        }
    }

    std::vector<std::string> take() && {
        if (more_ != 0) {
            sentences_.push_back(
                fmt::format("and {} more {}", more_, more_ == 1 ? "file" : "files"));
        }
        for (auto& [litter, names] : litter_) {
            const std::size_t count = names.size();
            if (count > kLitterShownMax) {
                names.resize(kLitterShownMax);
                names.push_back(fmt::format("{} more", count - kLitterShownMax));
            }
            std::string advice;
            if (from_context_) {
                advice = fmt::format("; put {} into .dockerignore", litter->pattern);
            }
            sentences_.push_back(
                fmt::format("{} changed ({}{})", litter->what, fmt::join(names, ", "), advice));
        }
        return std::move(sentences_);
    }

  private:
    const bool from_context_;
    std::vector<std::string> sentences_;
    std::size_t more_ = 0;
    std::map<const Litter*, std::vector<std::string>> litter_;
};

}  // namespace

std::vector<std::string> file_changes(const std::vector<std::string>& now,
                                      const std::vector<std::string>& before, bool from_context) {
    const auto new_names = by_name(now);
    const auto old_names = by_name(before);
    Changes changes{from_context};
    for (const auto& [name, line] : new_names) {
        const auto old = old_names.find(name);
        if (old == old_names.end()) {
            if (before.size() < kRecordFilesMax) {
                changes.add(name, fmt::format("{} is new", name));
            }
        } else if (line.rest != old->second.rest || line.mode != old->second.mode ||
                   line.owner != old->second.owner) {
            changes.add(name, describe(name, line, old->second));
        }
    }
    if (now.size() < kRecordFilesMax) {
        for (const auto& [name, line] : old_names) {
            if (!new_names.contains(name)) {
                changes.add(name, fmt::format("{} is gone", name));
            }
        }
    }
    return std::move(changes).take();
}

}  // namespace lazybuild::solve
