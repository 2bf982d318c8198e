// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/path_match.h"

#include <fmt/format.h>

#include <algorithm>

#include "builder/dockerfile/characters.h"
#include "builder/dockerfile/text.h"

namespace lazybuild::dockerfile {
namespace {

Error bad_pattern(std::string_view text) {
    return invalid(fmt::format("syntax error in pattern: {}", quoted(text)));
}

}  // namespace

// The elements that may come next, each at most once.
class PathPattern::States {
  public:
    explicit States(const std::vector<Element>& elements)
        : elements_(elements), entered_(elements.size() + 1, 0) {
        enter(0);
    }

    // One character further; false when nothing can match any more.
    bool step(char32_t character) {
        current_.swap(next_);
        next_.clear();
        ++round_;
        for (const std::size_t at : current_) {
            if (at == elements_.size()) {
                continue;
            }
            const Element& element = elements_[at];
            if (element.kind == Kind::any_tree) {
                // "(.*/)?": goes on at any time, ends behind a '/' only.
                add(at);
                if (character == U'/') {
                    enter(at + 1);
                }
            } else if (element.kind == Kind::any_rest ||
                       (element.kind == Kind::any_run && character != U'/')) {
                enter(at);
            } else if (takes(element, character)) {
                enter(at + 1);
            }
        }
        return !next_.empty();
    }

    bool accepts() const { return entered_[elements_.size()] == round_; }
    bool alive() const { return !next_.empty(); }

  private:
    void add(std::size_t at) {
        if (entered_[at] != round_) {
            entered_[at] = round_;
            next_.push_back(at);
        }
    }
    // Runs and trees may also be empty.
    void enter(std::size_t at) {
        for (;; ++at) {
            add(at);
            if (at == elements_.size() ||
                (elements_[at].kind != Kind::any_run && elements_[at].kind != Kind::any_rest &&
                 elements_[at].kind != Kind::any_tree)) {
                return;
            }
        }
    }

    const std::vector<Element>& elements_;
    std::vector<std::uint32_t> entered_;  ///< in which round
    std::vector<std::size_t> current_, next_;
    std::uint32_t round_ = 1;
};

bool PathPattern::takes(const Element& element, char32_t character) {
    switch (element.kind) {
        case Kind::character: return element.character == character;
        case Kind::any_one: return character != U'/';
        case Kind::one_of: {
            const bool listed = std::ranges::any_of(element.ranges, [&](const auto& range) {
                return range.first <= character && character <= range.second;
            });
            return listed != element.negated;
        }
        default: return false;
    }
}

// From behind a '[' to behind its ']'. Neither '-' nor ']' may stand for itself without a '\'.
Result<void> PathPattern::add_class(std::u32string_view pattern, std::size_t& at) {
    Element element{.kind = Kind::one_of};
    const auto take = [&](char32_t& character) {
        if (at < pattern.size() && pattern[at] == U'\\') {
            ++at;
        } else if (at < pattern.size() && (pattern[at] == U'-' || pattern[at] == U']')) {
            return false;
        }
        if (at >= pattern.size()) {
            return false;
        }
        character = pattern[at++];
        return true;
    };
    if (at < pattern.size() && pattern[at] == U'^') {
        element.negated = true;
        ++at;
    }
    do {
        char32_t first = 0;
        if (!take(first)) {
            return fail(bad_pattern(text_));
        }
        char32_t last = first;
        if (at < pattern.size() && pattern[at] == U'-') {
            ++at;
            if (!take(last)) {
                return fail(bad_pattern(text_));
            }
        }
        element.ranges.emplace_back(first, last);
    } while (at < pattern.size() && pattern[at] != U']');
    if (at++ >= pattern.size()) {
        return fail(bad_pattern(text_));
    }
    elements_.push_back(std::move(element));
    return {};
}

Result<PathPattern> PathPattern::parse(std::string_view text, Stars stars) {
    if (text.size() > kPathPatternBytesMax) {
        return fail(over_limit(
            fmt::format("a pattern of {} bytes; at most {}", text.size(), kPathPatternBytesMax)));
    }
    PathPattern result;
    result.text_ = text;
    const std::u32string pattern = decode_characters(text);
    const auto character_at = [&](std::size_t at) {
        return at < pattern.size() ? pattern[at] : U'\0';
    };
    bool escaped = false;
    for (std::size_t at = 0; at < pattern.size();) {
        const char32_t character = pattern[at++];
        if (character == U'*' && stars == Stars::tree && character_at(at) == U'*') {
            at += character_at(at + 1) == U'/' ? 2 : 1;
            result.elements_.push_back(
                {.kind = at >= pattern.size() ? Kind::any_rest : Kind::any_tree});
        } else if (character == U'*') {
            result.elements_.push_back({.kind = Kind::any_run});
        } else if (character == U'?') {
            result.elements_.push_back({.kind = Kind::any_one});
        } else if (character == U'[') {
            CHECK_OK(result.add_class(pattern, at));
        } else {
            escaped = escaped || character == U'\\';
            if (character == U'\\' && at == pattern.size()) {
                return fail(bad_pattern(text));
            }
            result.elements_.push_back(
                {.kind = Kind::character,
                 .character = character == U'\\' ? pattern[at++] : character});
        }
    }
    auto& elements = result.elements_;
    const auto special = [](const Element& one) { return one.kind != Kind::character; };
    const auto first_special = std::ranges::find_if(elements, special);
    result.literal_ = first_special == elements.end();
    std::u32string prefix;
    for (auto one = elements.begin(); one != first_special; ++one) {
        prefix += one->character;
    }
    result.prefix_ = encode_characters(prefix);
    // "**name" is whatever ends so, where "**/name" and "**name*" want a component to begin there.
    if (text.starts_with("**") && !text.starts_with("**/") && !escaped && !elements.empty() &&
        elements.front().kind == Kind::any_tree &&
        std::none_of(elements.begin() + 1, elements.end(), special)) {
        elements.front().kind = Kind::any_rest;
    }
    return result;
}

bool PathPattern::matches(std::string_view path) const {
    if (!path.starts_with(prefix_) || (literal_ && path.size() != prefix_.size())) {
        return false;
    }
    if (literal_) {
        return true;
    }
    // Nearly all paths fail at their last character, as "*.o" or "**/node_modules" have one.
    if (!elements_.empty() && elements_.back().kind == Kind::character &&
        elements_.back().character < 0x80 &&
        (path.empty() || static_cast<char32_t>(path.back()) != elements_.back().character)) {
        return false;
    }
    States states(elements_);
    for (CharacterReader reader(path); !reader.at_end();) {
        if (!states.step(reader.next())) {
            return false;
        }
    }
    return states.accepts();
}

bool PathPattern::matches_or_parent(std::string_view path) const {
    if (!path.starts_with(prefix_)) {
        return false;
    }
    if (literal_) {
        return path.size() == prefix_.size() || path[prefix_.size()] == '/';
    }
    States states(elements_);
    for (CharacterReader reader(path); !reader.at_end();) {
        const char32_t character = reader.next();
        if (character == U'/' && states.accepts()) {
            return true;
        }
        if (!states.step(character)) {
            return false;
        }
    }
    return states.accepts();
}

bool PathPattern::could_match_below(std::string_view directory) const {
    if (directory.empty()) {
        return true;
    }
    States states(elements_);
    for (CharacterReader reader(directory); !reader.at_end();) {
        if (!states.step(reader.next())) {
            return false;
        }
    }
    return states.step(U'/');
}

bool has_wildcards(std::string_view path) {
    for (std::size_t at = 0; at < path.size(); ++at) {
        if (path[at] == '\\') {
            ++at;
        } else if (path[at] == '*' || path[at] == '?' || path[at] == '[') {
            return true;
        }
    }
    return false;
}

SplitPattern split_at_wildcard(std::string_view path) {
    std::size_t begin = 0;
    while (begin < path.size()) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        if (has_wildcards(path.substr(begin, end - begin))) {
            return {std::string{path.substr(0, begin == 0 ? 0 : begin - 1)},
                    std::string{path.substr(begin)}};
        }
        begin = end + 1;
    }
    return {std::string{path}, ""};
}

}  // namespace lazybuild::dockerfile
