// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/variable_pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace lazybuild::dockerfile {
namespace {

constexpr std::uint64_t kStepsMax = 50'000'000;  // comparisons of characters, about 0.1 s
constexpr char32_t kAnyOne = 0xFFFFFFFF;
constexpr char32_t kRawByte = 0x110000;  // bytes that are no UTF-8 follow the last code point

using Characters = std::u32string;

// Bytes that are no UTF-8 stay what they are, each a character of its own.
Characters decode(std::string_view text) {
    Characters result;
    result.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const auto lead = static_cast<unsigned char>(text[at]);
        std::size_t tail = lead < 0xC2   ? 0
                           : lead < 0xE0 ? 1
                           : lead < 0xF0 ? 2
                           : lead < 0xF5 ? 3
                                         : 0;
        char32_t value = lead < 0x80 ? lead : kRawByte + lead;
        if (tail > 0 && tail < text.size() - at) {
            char32_t decoded = lead & (0x3Fu >> tail);
            std::size_t taken = 0;
            while (taken < tail) {
                const auto byte = static_cast<unsigned char>(text[at + taken + 1]);
                if ((byte & 0xC0) != 0x80) {
                    break;
                }
                decoded = (decoded << 6) | (byte & 0x3F);
                ++taken;
            }
            // Overlong forms would come out shorter than they went in.
            const bool shortest =
                !(tail == 2 && decoded < 0x800) && !(tail == 3 && decoded < 0x10000);
            if (taken == tail && shortest && decoded < kRawByte) {
                value = decoded;
                at += tail;
            }
        }
        result += value;
        ++at;
    }
    return result;
}

std::string encode(const Characters& text) {
    std::string result;
    result.reserve(text.size());
    for (const char32_t value : text) {
        const auto tail = [&](int shift) {
            result += static_cast<char>(0x80 | ((value >> shift) & 0x3F));
        };
        if (value >= kRawByte) {
            result += static_cast<char>(value - kRawByte);
        } else if (value < 0x80) {
            result += static_cast<char>(value);
        } else if (value < 0x800) {
            result += static_cast<char>(0xC0 | (value >> 6));
            tail(0);
        } else if (value < 0x10000) {
            result += static_cast<char>(0xE0 | (value >> 12));
            tail(6);
            tail(0);
        } else {
            result += static_cast<char>(0xF0 | (value >> 18));
            tail(12);
            tail(6);
            tail(0);
        }
    }
    return result;
}

// What stands between the pattern's asterisks: each piece may have question marks only.
using Pieces = std::vector<Characters>;

Result<Pieces> parse_pattern(std::string_view text) {
    const Characters pattern = decode(text);
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
                                next == 0 ? "" : encode({next}))));
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
    const Characters text = decode(value);
    TRY(const std::size_t length, prefix_length(text, pieces, pattern, reach));
    return encode(text.substr(length));
}

Result<std::string> remove_suffix(std::string_view value, std::string_view pattern, Reach reach) {
    TRY(Pieces pieces, parse_pattern(pattern));
    Characters text = decode(value);
    // A suffix is a prefix, read backwards.
    std::ranges::reverse(pieces);
    for (Characters& piece : pieces) {
        std::ranges::reverse(piece);
    }
    std::ranges::reverse(text);
    TRY(const std::size_t length, prefix_length(text, pieces, pattern, reach));
    text.erase(0, length);
    std::ranges::reverse(text);
    return encode(text);
}

Result<std::string> replace_matches(std::string_view value, std::string_view pattern,
                                    std::string_view replacement, Occurrences occurrences,
                                    std::size_t bytes_max) {
    TRY(const Pieces pieces, parse_pattern(pattern));
    const Characters text = decode(value);
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
        result += encode(text.substr(copied, at - copied));
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
    return result + encode(text.substr(copied));
}

}  // namespace lazybuild::dockerfile
