// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/ignore.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "builder/dockerfile/text.h"
#include "codec/lexical_path.h"

namespace lazybuild::dockerfile {

Result<void> IgnorePatterns::add(std::string_view pattern, std::uint32_t line) {
    Pattern added{.line = line, .written = std::string{pattern}};
    if (pattern.starts_with('!')) {
        added.exception = true;
        pattern = trim(pattern.substr(1));
        if (pattern.empty()) {
            return fail(invalid("illegal exclusion pattern: \"!\""));
        }
    }
    const auto parents =
        pattern.starts_with('/') ? codec::LeadingParents::drop : codec::LeadingParents::keep;
    const std::string clean = codec::normalise_path(pattern, parents);
    if (clean.empty()) {
        return {};  // the root itself, which is never excluded
    }
    if (patterns_.size() == kIgnorePatternsMax) {
        return fail(over_limit(fmt::format("more than {} patterns", kIgnorePatternsMax)));
    }
    TRY(added.path, PathPattern::parse(clean, Stars::tree));
    has_exceptions_ = has_exceptions_ || added.exception;
    patterns_.push_back(std::move(added));
    return {};
}

Result<IgnorePatterns> IgnorePatterns::parse(std::string_view text, std::string_view name) {
    if (text.size() > kIgnoreFileBytesMax) {
        return fail(over_limit(fmt::format("{}: {} bytes; an ignore file has at most {}", name,
                                           text.size(), kIgnoreFileBytesMax)));
    }
    if (text.starts_with("\xEF\xBB\xBF")) {
        text.remove_prefix(3);
    }
    IgnorePatterns result;
    for (std::uint32_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.starts_with('#') || trim(line).empty()) {
            continue;
        }
        if (auto added = result.add(trim(line), number); !added) {
            return fail(std::move(added).error().context(fmt::format("{}:{}", name, number)));
        }
    }
    return result;
}

Result<IgnorePatterns> IgnorePatterns::of(const std::vector<std::string>& patterns) {
    IgnorePatterns result;
    std::uint32_t number = 0;
    for (const std::string& pattern : patterns) {
        ++number;
        if (!trim(pattern).empty()) {
            CHECK_OK(result.add(trim(pattern), number));
        }
    }
    return result;
}

IgnorePatterns::Verdict IgnorePatterns::decided_by(const Pattern& pattern) const {
    return {!pattern.exception, pattern.line, pattern.written};
}

IgnorePatterns::Verdict IgnorePatterns::verdict(std::string_view path) const {
    if (path.empty()) {
        return {};
    }
    for (std::size_t i = patterns_.size(); i-- > 0;) {
        if (patterns_[i].path.matches_or_parent(path)) {
            return decided_by(patterns_[i]);
        }
    }
    return {};
}

IgnorePatterns::Verdict IgnorePatterns::verdict(std::string_view path, const Known& directory,
                                                Known* own) const {
    if (own != nullptr) {
        own->matched.assign(patterns_.size(), false);
    }
    Verdict verdict;
    if (path.empty()) {
        return verdict;
    }
    for (std::size_t i = patterns_.size(); i-- > 0;) {
        const bool matches =
            (!directory.matched.empty() && directory.matched[i]) || patterns_[i].path.matches(path);
        if (own != nullptr) {
            own->matched[i] = matches;
        }
        if (matches && verdict.line == 0) {
            verdict = decided_by(patterns_[i]);
            if (own == nullptr) {
                break;
            }
        }
    }
    return verdict;
}

bool IgnorePatterns::excludes_all_of(std::string_view directory) const {
    if (directory.empty()) {
        return false;
    }
    // Exceptions before the pattern that decides do not count: it matches everything below, too.
    for (std::size_t i = patterns_.size(); i-- > 0;) {
        const Pattern& pattern = patterns_[i];
        if (pattern.path.matches_or_parent(directory)) {
            return !pattern.exception;
        }
        if (pattern.exception && pattern.path.could_match_below(directory)) {
            return false;
        }
    }
    return false;
}

bool IgnorePatterns::excludes_root() const {
    return std::ranges::any_of(patterns_, [](const Pattern& pattern) {
        const std::string& text = pattern.path.text();
        return !pattern.exception && (text == "*" || text == "**" || text == "**/*");
    });
}

}  // namespace lazybuild::dockerfile
