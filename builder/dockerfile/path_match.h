// SPDX-License-Identifier: Apache-2.0
// Patterns of paths: '*' any run within a component, '?' any one character but '/', "[a-z]" and
// "[^a]" classes, '\' takes the next character as it is; where trees are asked for, "**" any run of
// components.
//
// All patterns run side by side over the path, a state per element: the time is pattern times path
// at most, whatever they hold.
//
// Sources: Go's path/filepath.Match (wildcards of COPY); moby/patternmatcher (ignore files,
// --exclude, --parents).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace lazybuild::dockerfile {

inline constexpr std::size_t kPathPatternBytesMax = 4096;

/// What "**" means: two '*', or any number of directories.
enum class Stars : std::uint8_t { component, tree };

/// Immutable; thread-safe. Paths and patterns have no '/' at their beginning or end; pass them
/// through codec::normalise_path first.
class PathPattern {
  public:
    /// Errors: invalid_argument ("syntax error in pattern"); argument_out_of_domain (too long).
    static Result<PathPattern> parse(std::string_view text, Stars stars);

    bool matches(std::string_view path) const;
    /// `path`, or a directory that it is in.
    bool matches_or_parent(std::string_view path) const;
    /// Something in `directory` could match, as far as can be said without looking. "" is the root.
    bool could_match_below(std::string_view directory) const;

    const std::string& text() const { return text_; }
    /// There is nothing in it but the path itself.
    bool is_literal() const { return literal_; }

  private:
    enum class Kind : std::uint8_t { character, any_one, any_run, any_rest, any_tree, one_of };
    struct Element {
        Kind kind;
        char32_t character = 0;
        bool negated = false;                               ///< one_of: none of
        std::vector<std::pair<char32_t, char32_t>> ranges;  ///< one_of: first and last
    };
    class States;

    Result<void> add_class(std::u32string_view pattern, std::size_t& at);
    static bool takes(const Element& element, char32_t character);

    std::string text_;
    std::string prefix_;  ///< what everything that matches begins with
    bool literal_ = true;
    std::vector<Element> elements_;
};

/// `path` has '*', '?' or '[' that no '\' stands before.
bool has_wildcards(std::string_view path);

/// The components before the first one with a wildcard, and the rest: "src/lib" and "*.c".
struct SplitPattern {
    std::string literal;   ///< clean; "" for the root
    std::string wildcard;  ///< "" when there is none
};
SplitPattern split_at_wildcard(std::string_view path);

}  // namespace lazybuild::dockerfile
