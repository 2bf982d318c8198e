// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/expand.h"

#include <fmt/format.h>

#include <utility>

#include "builder/dockerfile/text.h"
#include "builder/dockerfile/variable_pattern.h"

namespace lazybuild::dockerfile {
namespace {

constexpr int kNoStop = -1;

struct Mode {
    char escape = '\\';
    bool quotes = true;        // ' and " group
    bool keep_quotes = false;  // and stay
    bool keep_escapes = false;
    bool keep_unset = false;  // "$name" stays when it is not set
};

bool is_digit(char letter) {
    return letter >= '0' && letter <= '9';
}

bool is_name_letter(char letter) {
    return is_digit(letter) || letter == '_' || (letter >= 'a' && letter <= 'z') ||
           (letter >= 'A' && letter <= 'Z');
}

// "$$", "$?" and their kin, which are variables of one letter: POSIX.1 XCU 2.5.2.
bool is_special_name(char letter) {
    return std::string_view("@*#?-$!0").find(letter) != std::string_view::npos;
}

// Words as they come together: blanks end them, unless they were quoted.
class Words {
  public:
    void add(std::string_view text) {
        for (const char letter : text) {
            if (is_blank(letter)) {
                end_word();
            } else {
                word_ += letter;
            }
        }
    }
    void add_quoted(std::string_view text) { word_ += text; }
    std::vector<std::string> take() {
        end_word();
        return std::move(words_);
    }

  private:
    void end_word() {
        if (!word_.empty()) {
            words_.push_back(std::exchange(word_, {}));
        }
    }
    std::vector<std::string> words_;
    std::string word_;
};

class Expander {
  public:
    Expander(std::string_view source, const Lookup& lookup, Mode mode)
        : rest_(source), lookup_(lookup), mode_(mode) {}

    // Up to `stop`, which is taken too, or to the end. `words` also gets what is added, if wanted.
    Result<std::string> until(int stop, bool keep_escapes, Words* words);

    std::set<std::string, std::less<>> used;
    std::set<std::string, std::less<>> undefined;

  private:
    bool at_end() const { return rest_.empty(); }
    int peek() const { return rest_.empty() ? kNoStop : static_cast<unsigned char>(rest_.front()); }
    char next() {
        const char letter = rest_.front();
        rest_.remove_prefix(1);
        return letter;
    }
    bool take(char letter) {
        const bool found = rest_.starts_with(letter);
        rest_.remove_prefix(found ? 1 : 0);
        return found;
    }

    Result<std::string> single_quotes();
    Result<std::string> double_quotes();
    Result<std::string> dollar();
    Result<std::string> braces();
    Result<std::string> default_or_alternative(const std::string& name, std::string modifier);
    Result<std::string> trimmed(const std::string& name, char kind);
    Result<std::string> replaced(const std::string& name);
    Result<std::string> nested(char stop, bool keep_escapes);
    std::string heredoc_mark();
    std::string name();
    std::optional<std::string> value_of(const std::string& name);

    std::string_view rest_;
    const Lookup& lookup_;
    Mode mode_;
    int depth_ = 0;
};

Error too_long() {
    return over_limit(fmt::format("the value grows past {} bytes", kExpandedBytesMax));
}

Result<std::string> Expander::until(int stop, bool keep_escapes, Words* words) {
    const bool outer_keep_escapes = std::exchange(mode_.keep_escapes, keep_escapes);
    std::string result;
    const auto add = [&](std::string_view text, bool splits) {
        result += text;
        if (words != nullptr) {
            splits ? words->add(text) : words->add_quoted(text);
        }
    };
    while (!at_end()) {
        const int letter = peek();
        if (letter == stop) {
            next();
            mode_.keep_escapes = outer_keep_escapes;
            return result;
        }
        if (letter == '$') {
            TRY(const std::string value, dollar());
            if (value.size() > kExpandedBytesMax - std::min(result.size(), kExpandedBytesMax)) {
                return fail(too_long());
            }
            add(value, true);
        } else if (mode_.quotes && letter == '\'') {
            TRY(const std::string text, single_quotes());
            add(text, false);
        } else if (mode_.quotes && letter == '"') {
            TRY(const std::string text, double_quotes());
            add(text, false);
        } else if (letter == '<') {
            add(heredoc_mark(), false);
        } else if (const char plain = next(); plain != mode_.escape) {
            add({&plain, 1}, true);
        } else {
            if (mode_.keep_escapes) {
                add({&plain, 1}, false);
            }
            if (!at_end()) {
                const char escaped = next();
                add({&escaped, 1}, false);
            }
        }
    }
    mode_.keep_escapes = outer_keep_escapes;
    if (stop != kNoStop) {
        return fail(invalid(fmt::format("unexpected end of statement while looking for matching {}",
                                        static_cast<char>(stop))));
    }
    return result;
}

Result<std::string> Expander::single_quotes() {
    next();
    const std::size_t end = rest_.find('\'');
    if (end == rest_.npos) {
        rest_ = {};
        return fail(invalid("unexpected end of statement while looking for matching single-quote"));
    }
    std::string result{rest_.substr(0, end)};
    rest_.remove_prefix(end + 1);
    return mode_.keep_quotes ? "'" + result + "'" : result;
}

Result<std::string> Expander::double_quotes() {
    next();
    std::string result = mode_.keep_quotes ? "\"" : "";
    while (!at_end()) {
        if (peek() == '$') {
            TRY(const std::string value, dollar());
            result += value;
            if (result.size() > kExpandedBytesMax) {
                return fail(too_long());
            }
            continue;
        }
        const char letter = next();
        if (letter == '"') {
            return mode_.keep_quotes ? result + '"' : result;
        }
        if (letter != mode_.escape) {
            result += letter;
            continue;
        }
        // Before anything else the escape stands for itself.
        const int following = peek();
        const bool escapes = following == '"' || following == '$' ||
                             following == static_cast<unsigned char>(mode_.escape);
        if (mode_.keep_escapes || !escapes) {
            result += letter;
        }
        if (escapes) {
            result += next();
        }
    }
    return fail(invalid("unexpected end of statement while looking for matching double-quote"));
}

Result<std::string> Expander::dollar() {
    next();
    if (take('{')) {
        if (depth_ == kExpansionDepthMax) {
            return fail(over_limit(
                fmt::format("substitutions stand in each other more than {} deep", depth_)));
        }
        ++depth_;
        auto result = braces();
        --depth_;
        return result;
    }
    const std::string variable = name();
    if (variable.empty()) {
        return "$";
    }
    const auto value = value_of(variable);
    return !value && mode_.keep_unset ? "$" + variable : value.value_or("");
}

// The rest of "${…}".
Result<std::string> Expander::braces() {
    if (at_end()) {
        return fail(invalid("syntax error: missing '}'"));
    }
    if (peek() == '{' || peek() == '}' || peek() == ':') {
        return fail(invalid("syntax error: bad substitution"));
    }
    const std::string variable = name();
    if (at_end()) {
        return fail(invalid("syntax error: missing '}'"));
    }
    const char modifier = next();
    switch (modifier) {
        case '}': {
            const auto value = value_of(variable);
            return !value && mode_.keep_unset ? "${" + variable + "}" : value.value_or("");
        }
        case ':': {
            if (at_end()) {
                return fail(invalid("syntax error: missing '}'"));
            }
            const char kind = next();
            if (kind == '-' || kind == '+' || kind == '?') {
                return default_or_alternative(variable, {':', kind});
            }
            return fail(invalid(fmt::format("unsupported modifier (:{}) in substitution", kind)));
        }
        case '-':
        case '+':
        case '?': return default_or_alternative(variable, {modifier});
        case '#':
        case '%': return trimmed(variable, modifier);
        case '/': return replaced(variable);
        default:
            return fail(
                invalid(fmt::format("unsupported modifier ({}) in substitution", modifier)));
    }
}

Result<std::string> Expander::nested(char stop, bool keep_escapes) {
    auto word = until(static_cast<unsigned char>(stop), keep_escapes, nullptr);
    if (!word && at_end() && word.error().code == std::errc::invalid_argument) {
        return fail(invalid(stop == '}' ? "syntax error: missing '}'"
                                        : "syntax error: missing '/' in ${}"));
    }
    return word;
}

Result<std::string> Expander::default_or_alternative(const std::string& variable,
                                                     std::string modifier) {
    TRY(std::string word, nested('}', false));
    const auto value = value_of(variable);
    if (!value && mode_.keep_unset) {
        return "${" + variable + modifier + word + "}";
    }
    const bool missing = !value || (modifier.front() == ':' && value->empty());
    switch (modifier.back()) {
        case '-': return missing ? word : *value;
        case '+': return missing ? "" : word;
        default: break;
    }
    if (!missing) {
        return *value;
    }
    if (word.empty()) {
        word = value ? "is not allowed to be empty" : "is not allowed to be unset";
    }
    return fail(invalid(variable + ": " + word));
}

Result<std::string> Expander::trimmed(const std::string& variable, char kind) {
    TRY(const std::string word, nested('}', true));
    const auto value = value_of(variable);
    if (!value && mode_.keep_unset) {
        return "${" + variable + kind + word + "}";
    }
    std::string_view pattern = word;
    const bool twice = pattern.starts_with(kind);
    pattern.remove_prefix(twice ? 1 : 0);
    const Reach reach = twice ? Reach::longest : Reach::shortest;
    return kind == '#' ? remove_prefix(value.value_or(""), pattern, reach)
                       : remove_suffix(value.value_or(""), pattern, reach);
}

Result<std::string> Expander::replaced(const std::string& variable) {
    const bool all = take('/');
    TRY(const std::string pattern, nested('/', true));
    TRY(const std::string replacement, nested('}', true));
    const auto value = value_of(variable);
    if (!value && mode_.keep_unset) {
        return "${" + variable + "/" + pattern + "/" + replacement + "}";
    }
    return replace_matches(value.value_or(""), pattern, replacement,
                           all ? Occurrences::all : Occurrences::first, kExpandedBytesMax);
}

// "<<" keeps the blanks behind it, so that "<< EOF" is one word; one "<" is nothing special.
std::string Expander::heredoc_mark() {
    next();
    if (!take('<')) {
        return "<";
    }
    std::string result = "<<";
    while (peek() == ' ' || peek() == '\t' || peek() == '\r') {
        result += next();
    }
    return result;
}

std::string Expander::name() {
    std::string result;
    if (at_end()) {
        return result;
    }
    if (is_digit(rest_.front())) {
        while (!at_end() && is_digit(rest_.front())) {
            result += next();
        }
        return result;
    }
    if (is_special_name(rest_.front())) {
        return {next()};
    }
    while (!at_end() && is_name_letter(rest_.front())) {
        result += next();
    }
    return result;
}

std::optional<std::string> Expander::value_of(const std::string& variable) {
    auto value = lookup_(variable);
    (value ? used : undefined).insert(variable);
    return value;
}

Result<Expansion> expand_in_mode(std::string_view source, const Lookup& lookup, Mode mode) {
    Expander expander(source, lookup, mode);
    auto text = expander.until(kNoStop, mode.keep_escapes, nullptr);
    if (!text) {
        return fail(std::move(text).error().context("failed to process " + quoted(source)));
    }
    return Expansion{std::move(*text), std::move(expander.used), std::move(expander.undefined)};
}

}  // namespace

Result<Expansion> expand(std::string_view word, const Lookup& lookup, char escape) {
    return expand_in_mode(word, lookup, Mode{.escape = escape});
}

Result<Expansion> expand_content(std::string_view content, const Lookup& lookup) {
    return expand_in_mode(content, lookup, Mode{.quotes = false});
}

Result<ExpandedWords> expand_words(std::string_view text, const Lookup& lookup, char escape) {
    Expander expander(text, lookup, Mode{.escape = escape});
    Words words;
    if (auto whole = expander.until(kNoStop, false, &words); !whole) {
        return fail(std::move(whole).error().context("failed to process " + quoted(text)));
    }
    return ExpandedWords{words.take(), std::move(expander.used), std::move(expander.undefined)};
}

std::optional<std::vector<std::string>> shell_words(std::string_view line, Quoting quoting) {
    const Lookup nothing = [](std::string_view) { return std::nullopt; };
    const bool keep = quoting == Quoting::keep;
    const Mode mode{.keep_quotes = keep, .keep_escapes = keep, .keep_unset = true};
    Expander expander(line, nothing, mode);
    Words words;
    if (!expander.until(kNoStop, keep, &words)) {
        return std::nullopt;
    }
    return words.take();
}

}  // namespace lazybuild::dockerfile
