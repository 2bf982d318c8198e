// SPDX-License-Identifier: Apache-2.0
// Ignore files (.dockerignore, .containerignore) and the patterns of --exclude: which paths are
// left out, and which line says so.
//
// A pattern that matches a directory matches everything in it. Of the patterns that match, the last
// one decides; with '!' in front it brings back.
//
// Source: the Dockerfile reference, ".dockerignore file"; moby/patternmatcher and its ignorefile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "builder/dockerfile/path_match.h"

namespace lazybuild::dockerfile {

inline constexpr std::size_t kIgnoreFileBytesMax = 4 << 20;
inline constexpr std::size_t kIgnorePatternsMax = 10'000;

/// Immutable; thread-safe. Paths are clean, without '/' at their beginning; "" (the root) is never
/// excluded.
class IgnorePatterns {
  public:
    IgnorePatterns() = default;

    /// The text of an ignore file. Errors: invalid_argument, "name:line: …"; argument_out_of_domain
    /// past the limits.
    static Result<IgnorePatterns> parse(std::string_view text, std::string_view name);
    /// Patterns alone, as of --exclude. Errors: as above, with the pattern.
    static Result<IgnorePatterns> of(const std::vector<std::string>& patterns);

    struct Verdict {
        bool excluded = false;
        /// Of the pattern that decided: line (of a list: place, from 1) and as written. 0 and ""
        /// when none matched.
        std::uint32_t line = 0;
        std::string_view pattern;
    };
    Verdict verdict(std::string_view path) const;
    bool excludes(std::string_view path) const { return verdict(path).excluded; }

    /// For walks over many files: what is known of a directory, so that its parents are not matched
    /// again for each file in it. The root's is empty.
    struct Known {
        std::vector<bool> matched;  ///< by pattern: the directory or a parent of it
    };
    /// As above, of a path whose directory's Known is `directory`; `own`, if wanted, is filled for
    /// what lies below `path`.
    Verdict verdict(std::string_view path, const Known& directory, Known* own = nullptr) const;

    /// Everything in `directory`, itself included, is excluded: nobody has to look.
    bool excludes_all_of(std::string_view directory) const;

    bool empty() const { return patterns_.empty(); }
    /// There is a pattern with '!'.
    bool has_exceptions() const { return has_exceptions_; }
    /// Every name at the top is excluded ("*", "**", "**/*") before exceptions.
    bool excludes_root() const;

  private:
    struct Pattern {
        PathPattern path;
        bool exception = false;
        std::uint32_t line = 0;
        std::string written;
    };
    Result<void> add(std::string_view pattern, std::uint32_t line);
    Verdict decided_by(const Pattern& pattern) const;

    std::vector<Pattern> patterns_;
    bool has_exceptions_ = false;
};

}  // namespace lazybuild::dockerfile
