// SPDX-License-Identifier: Apache-2.0
// Regular expressions go to RE2, whose language is that of Go's regexp package, and which needs
// time linear in its input whatever the expression is.
#include "snapshotter/service/filter.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

namespace lazybuild::service {
namespace {

constexpr std::int64_t kRegexBytesMax = 1 << 20;

enum class Operator { present, equal, not_equal, matches };

bool is_space(char character) {
    return character == ' ' || (character >= '\t' && character <= '\r');
}

bool is_field(char character) {
    return character == '_' || (character >= '0' && character <= '9') ||
           (character >= 'A' && character <= 'Z') || (character >= 'a' && character <= 'z');
}

bool is_operator(char character) {
    return character == '=' || character == '!' || character == '~';
}

/// What Go calls graphic, without its tables: all that is not ASCII.
bool is_value(char character) {
    return character != ',' && character != '\x7f' &&
           (character < '\0' || (character > ' ' && character <= '~'));
}

std::optional<std::uint32_t> digit_value(char character, std::uint32_t base) {
    std::uint32_t value = base;
    if (character >= '0' && character <= '9') {
        value = static_cast<std::uint32_t>(character - '0');
    } else if (character >= 'a' && character <= 'f') {
        value = static_cast<std::uint32_t>(character - 'a') + 10;
    } else if (character >= 'A' && character <= 'F') {
        value = static_cast<std::uint32_t>(character - 'A') + 10;
    }
    return value < base ? std::optional{value} : std::nullopt;
}

void append_utf8(std::string& text, std::uint32_t code_point) {
    const auto tail = [&text](std::uint32_t bits) {
        text += static_cast<char>(0x80 | (bits & 0x3f));
    };
    if (code_point < 0x80) {
        text += static_cast<char>(code_point);
    } else if (code_point < 0x800) {
        text += static_cast<char>(0xc0 | (code_point >> 6));
        tail(code_point);
    } else if (code_point < 0x10000) {
        text += static_cast<char>(0xe0 | (code_point >> 12));
        tail(code_point >> 6);
        tail(code_point);
    } else {
        text += static_cast<char>(0xf0 | (code_point >> 18));
        tail(code_point >> 12);
        tail(code_point >> 6);
        tail(code_point);
    }
}

/// One pass over a filter's text.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}

    void skip_spaces() {
        while (place_ < text_.size() && is_space(text_[place_])) {
            ++place_;
        }
    }
    bool at_end() const { return place_ == text_.size(); }
    char peek() const { return at_end() ? '\0' : text_[place_]; }
    bool take(std::string_view expected) {
        if (!text_.substr(place_).starts_with(expected)) {
            return false;
        }
        place_ += expected.size();
        return true;
    }

    Error error(std::string_view what) const {
        return invalid(fmt::format("filter {:?}: {} at byte {}", text_, what, place_));
    }

    Result<std::string> field() {
        skip_spaces();
        if (peek() == '"') {
            return quoted();
        }
        const std::size_t begin = place_;
        while (!at_end() && is_field(text_[place_])) {
            ++place_;
        }
        if (place_ == begin) {
            return fail(error("expected a field"));
        }
        return std::string{text_.substr(begin, place_ - begin)};
    }

    /// A run of operator characters is one operator, so that "name===x" is refused, as Go does.
    Result<Operator> comparison() {
        if (at_end() || peek() == ',') {
            return Operator::present;
        }
        skip_spaces();
        const std::size_t begin = place_;
        while (!at_end() && is_operator(peek())) {
            ++place_;
        }
        const std::string_view run = text_.substr(begin, place_ - begin);
        if (run == "==") {
            return Operator::equal;
        }
        if (run == "!=") {
            return Operator::not_equal;
        }
        if (run == "~=") {
            return Operator::matches;
        }
        place_ = begin;
        return fail(error("expected ==, != or ~="));
    }

    Result<std::string> value(bool other_quotes) {
        skip_spaces();
        const bool other_quote = peek() == '/' || peek() == '|';
        if (peek() == '"' || (other_quotes && other_quote)) {
            return quoted();
        }
        // These may stand in a value, but not begin it; with other characters it is the reverse.
        if (other_quote || is_operator(peek()) || peek() == '.' || peek() == ',' ||
            peek() == '\0') {
            return fail(error("expected a value"));
        }
        const std::size_t begin = place_++;
        while (!at_end() && is_value(text_[place_])) {
            ++place_;
        }
        return std::string{text_.substr(begin, place_ - begin)};
    }

  private:
    Result<std::string> quoted() {
        const char quote = text_[place_++];
        std::string text;
        while (true) {
            if (at_end() || peek() == '\n') {
                return fail(error("the quote does not end"));
            }
            const char character = text_[place_++];
            if (character == quote) {
                return text;
            }
            if (character != '\\') {
                text += character;
                continue;
            }
            CHECK_OK(escape(quote, text));
        }
    }

    /// What follows a backslash, as Go's strconv reads it.
    Result<void> escape(char quote, std::string& text) {
        constexpr std::string_view kNames = "abfnrtv\\";
        constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\";
        const char kind = peek();
        if (const std::size_t index = kNames.find(kind); !at_end() && index != kNames.npos) {
            ++place_;
            text += kMeanings[index];
            return {};
        }
        if (!at_end() && kind == quote) {
            ++place_;
            text += quote;
            return {};
        }
        if (digit_value(kind, 8)) {
            TRY(const std::uint32_t byte, digits(8, 3));
            if (byte > 0xff) {
                return fail(error("illegal octal escape"));
            }
            text += static_cast<char>(byte);
            return {};
        }
        if (kind != 'x' && kind != 'u' && kind != 'U') {
            return fail(error("illegal escape"));
        }
        ++place_;
        TRY(const std::uint32_t code, digits(16, kind == 'x' ? 2 : kind == 'u' ? 4 : 8));
        if (kind == 'x') {
            text += static_cast<char>(code);
        } else if (code > 0x10ffff) {
            return fail(error("illegal code point"));
        } else {
            append_utf8(text, code);
        }
        return {};
    }

    Result<std::uint32_t> digits(std::uint32_t base, int count) {
        std::uint32_t value = 0;
        for (int index = 0; index < count; ++index) {
            const std::optional<std::uint32_t> digit = digit_value(peek(), base);
            if (!digit) {
                return fail(error("illegal numeric escape"));
            }
            value = value * base + *digit;
            ++place_;
        }
        return value;
    }

    std::string_view text_;
    std::size_t place_ = 0;
};

std::string_view kind_name(store::SnapshotKind kind) {
    switch (kind) {
        case store::SnapshotKind::view: return "view";
        case store::SnapshotKind::active: return "active";
        case store::SnapshotKind::committed: return "committed";
    }
    return "";
}

/// nullopt: the snapshot has no such field.
std::optional<std::string_view> field_of(const store::SnapshotRecord& snapshot,
                                         const std::vector<std::string>& path) {
    if (path[0] == "name") {
        return snapshot.name;
    }
    if (path[0] == "parent") {
        return snapshot.parent;
    }
    if (path[0] == "kind") {
        return kind_name(snapshot.kind);
    }
    if (path[0] != "labels") {
        return std::nullopt;
    }
    // An unquoted key with dots is the same key: labels.a.b and labels."a.b".
    const std::string key = fmt::format("{}", fmt::join(path.begin() + 1, path.end(), "."));
    const auto label = snapshot.labels.find(key);
    return label == snapshot.labels.end() ? std::nullopt
                                          : std::optional<std::string_view>{label->second};
}

}  // namespace

struct Filter::Selector {
    std::vector<std::string> path;  // at least one
    Operator op = Operator::present;
    std::string value;
    std::unique_ptr<const re2::RE2> pattern;  // for Operator::matches

    bool matches(const store::SnapshotRecord& snapshot) const {
        const std::optional<std::string_view> field = field_of(snapshot, path);
        const std::string_view text = field.value_or("");
        switch (op) {
            case Operator::present: return field.has_value();
            case Operator::equal: return field.has_value() && text == value;
            case Operator::not_equal: return text != value;
            case Operator::matches:
                return re2::RE2::PartialMatch(re2::StringPiece{text.data(), text.size()}, *pattern);
        }
        return false;
    }
};

Filter::Filter() = default;
Filter::Filter(Filter&&) noexcept = default;
Filter& Filter::operator=(Filter&&) noexcept = default;
Filter::~Filter() = default;

namespace {

Result<std::unique_ptr<const re2::RE2>> compile(const std::string& expression) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(kRegexBytesMax);
    auto pattern = std::make_unique<const re2::RE2>(expression, options);
    if (!pattern->ok()) {
        return fail(invalid(
            fmt::format("filter: regular expression {:?}: {}", expression, pattern->error())));
    }
    return pattern;
}

}  // namespace

Result<Filter::All> Filter::parse_one(std::string_view text) {
    Scanner scanner{text};
    All selectors;
    while (true) {
        Selector selector;
        do {
            TRY(std::string field, scanner.field());
            selector.path.push_back(std::move(field));
        } while (scanner.take("."));
        TRY(selector.op, scanner.comparison());
        if (selector.op != Operator::present) {
            TRY(selector.value, scanner.value(selector.op == Operator::matches));
        }
        if (selector.op == Operator::matches) {
            TRY(selector.pattern, compile(selector.value));
        }
        selectors.push_back(std::move(selector));
        if (scanner.at_end()) {
            return selectors;
        }
        if (!scanner.take(",")) {
            return fail(scanner.error("expected a comma or the end"));
        }
    }
}

Result<Filter> Filter::parse(const std::vector<std::string>& filters) {
    if (filters.size() > kFiltersMax) {
        return fail(invalid(fmt::format("more than {} filters", kFiltersMax)));
    }
    Filter filter;
    for (const std::string& text : filters) {
        if (text.size() > kFilterBytesMax) {
            return fail(invalid(fmt::format("a filter of more than {} bytes", kFilterBytesMax)));
        }
        All selectors;
        if (!text.empty()) {
            TRY(selectors, parse_one(text));
        }
        filter.any_.push_back(std::move(selectors));
    }
    return filter;
}

bool Filter::matches(const store::SnapshotRecord& snapshot) const {
    if (any_.empty()) {
        return true;
    }
    const auto all_match = [&snapshot](const All& selectors) {
        return std::ranges::all_of(
            selectors, [&snapshot](const Selector& one) { return one.matches(snapshot); });
    };
    return std::ranges::any_of(any_, all_match);
}

}  // namespace lazybuild::service
