// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/variable_pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "builder/dockerfile/characters.h"

namespace lazybuild::dockerfile {
namespace {

constexpr std::uint64_t kStepsMax = 50'000'000;  // comparisons of characters, about 0.1 s
constexpr char32_t kAnyOne = 0xFFFFFFFF;

using Characters = std::u32string;

// What stands between the pattern's asterisks: each piece may have question marks only.
using Pieces = std::vector<Characters>;

Result<Pieces> parse_pattern(std::string_view text) {
    const Characters pattern = decode_characters(text);
    Pieces pieces(1);
    for (std::size_t at = 0; at < pattern.size(); ++at) {
        if (pattern[at] == U'*') {
            pieces.emplace_back();
        } else if (pattern[at] == U'?') {
            pieces.back() += kAnyOne;
        } else if (pattern[at] == U'\\') {
            ++at;
            const char32_t next = at < pattern.size() ? pattern[at] : U'\0';
            if (std::u32string_view(U"*?\\}/").find(next) == std::u32string_view::npos) {
                return fail(invalid(
                    fmt::format("invalid pattern ({}) in substitution: invalid escape '\\{}'", text,
                                next == 0 ? "" : encode_characters({&next, 1}))));
            }
            pieces.back() += next;
        } else {
            pieces.back() += pattern[at];
        }
    }
    return pieces;
}

class Matcher {
  public:
    Matcher(const Characters& text, const Pieces& pieces) : text_(text), pieces_(pieces) {}

    // The end of a match that begins at `begin`.
    std::optional<std::size_t> match(std::size_t begin, Reach reach) {
        if (!fits(pieces_.front(), begin)) {
            return std::nullopt;
        }
        std::size_t end = begin + pieces_.front().size();
        for (std::size_t i = 1; i < pieces_.size(); ++i) {
            const bool last = i + 1 == pieces_.size();
            const auto found = last && reach == Reach::longest ? find_last(pieces_[i], end)
                                                               : find_first(pieces_[i], end);
            if (!found) {
                hopeless_ = true;
                return std::nullopt;
            }
            end = *found + pieces_[i].size();
        }
        return end;
    }

    // A piece after an asterisk was not found: a later beginning would not find it either.
    bool hopeless() const { return hopeless_; }
    bool over_budget() const { return steps_ > kStepsMax; }

  private:
    bool fits(const Characters& piece, std::size_t at) {
        if (at > text_.size() || piece.size() > text_.size() - at) {
            return false;
        }
        for (std::size_t i = 0; i < piece.size(); ++i) {
            ++steps_;
            if (piece[i] != kAnyOne && piece[i] != text_[at + i]) {
                return false;
            }
        }
        return !over_budget();
    }

    std::optional<std::size_t> find_first(const Characters& piece, std::size_t from) {
        for (std::size_t at = from; at + piece.size() <= text_.size() && !over_budget(); ++at) {
            if (fits(piece, at)) {
                return at;
            }
        }
        return std::nullopt;
    }

    std::optional<std::size_t> find_last(const Characters& piece, std::size_t from) {
        if (piece.size() > text_.size()) {
            return std::nullopt;
        }
        for (std::size_t at = text_.size() - piece.size() + 1; at-- > from && !over_budget();) {
            if (fits(piece, at)) {
                return at;
            }
        }
        return std::nullopt;
    }

    const Characters& text_;
    const Pieces& pieces_;
    std::uint64_t steps_ = 0;
    bool hopeless_ = false;
};

Error too_expensive(std::string_view pattern) {
    return over_limit(
        fmt::format("pattern ({}) in substitution takes too long on this value", pattern));
}

Result<std::size_t> prefix_length(const Characters& text, const Pieces& pieces,
                                  std::string_view pattern, Reach reach) {
    Matcher matcher(text, pieces);
    const auto end = matcher.match(0, reach);
    if (matcher.over_budget()) {
        return fail(too_expensive(pattern));
    }
    return end.value_or(0);
}

}  // namespace

Result<std::string> remove_prefix(std::string_view value, std::string_view pattern, Reach reach) {
    TRY(const Pieces pieces, parse_pattern(pattern));
    const Characters text = decode_characters(value);
    TRY(const std::size_t length, prefix_length(text, pieces, pattern, reach));
    return encode_characters(text.substr(length));
}

Result<std::string> remove_suffix(std::string_view value, std::string_view pattern, Reach reach) {
    TRY(Pieces pieces, parse_pattern(pattern));
    Characters text = decode_characters(value);
    // A suffix is a prefix, read backwards.
    std::ranges::reverse(pieces);
    for (Characters& piece : pieces) {
        std::ranges::reverse(piece);
    }
    std::ranges::reverse(text);
    TRY(const std::size_t length, prefix_length(text, pieces, pattern, reach));
    text.erase(0, length);
    std::ranges::reverse(text);
    return encode_characters(text);
}

Result<std::string> replace_matches(std::string_view value, std::string_view pattern,
                                    std::string_view replacement, Occurrences occurrences,
                                    std::size_t bytes_max) {
    TRY(const Pieces pieces, parse_pattern(pattern));
    const Characters text = decode_characters(value);
    Matcher matcher(text, pieces);
    std::string result;
    std::size_t copied = 0;
    std::optional<std::size_t> previous_end;
    for (std::size_t at = 0; at <= text.size() && !matcher.hopeless();) {
        const auto end = matcher.match(at, Reach::longest);
        // Nothing, right behind a match, is not one more match.
        if (!end || (*end == at && previous_end == at)) {
            ++at;
            continue;
        }
        result += encode_characters(text.substr(copied, at - copied));
        result += replacement;
        if (result.size() > bytes_max) {
            return fail(over_limit(fmt::format("the value grows past {} bytes", bytes_max)));
        }
        copied = *end;
        previous_end = end;
        at = *end == at ? at + 1 : *end;
        if (occurrences == Occurrences::first) {
            break;
        }
    }
    if (matcher.over_budget()) {
        return fail(too_expensive(pattern));
    }
    return result + encode_characters(text.substr(copied));
}

}  // namespace lazybuild::dockerfile
