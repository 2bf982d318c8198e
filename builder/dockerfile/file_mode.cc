// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/file_mode.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "builder/dockerfile/text.h"

namespace lazybuild::dockerfile {
namespace {

constexpr std::uint32_t kModeMax = 07777;
constexpr std::size_t kClausesMax = 100;
constexpr std::uint32_t kReadAll = 0444, kWriteAll = 0222, kExecuteAll = 0111;
constexpr std::uint32_t kSetIds = 06000, kSticky = 01000;
constexpr std::uint32_t kOthers = 0007, kEverybody = 06777;

Error bad_mode(std::string_view text) {
    return invalid(
        fmt::format("invalid chmod parameter: '{}'. it should be octal string and "
                    "between 0 and 07777, or symbolic like u=rwX,go=rX",
                    text));
}

std::uint32_t who_mask(char who) {
    switch (who) {
        case 'u': return 04700;
        case 'g': return 02070;
        case 'o': return kOthers;
        case 'a': return kEverybody;
        default: return 0;
    }
}

std::optional<std::uint32_t> permission_bits(char permission) {
    switch (permission) {
        case 'r': return kReadAll;
        case 'w': return kWriteAll;
        case 'x': return kExecuteAll;
        case 's': return kSetIds;
        case 't': return kSticky;
        default: return std::nullopt;
    }
}

// What `who` has, given to everybody.
std::uint32_t spread(std::uint32_t mode, char who) {
    const std::uint32_t three = (mode >> (who == 'u' ? 6 : who == 'g' ? 3 : 0)) & 7;
    return three * 0111;
}

bool is_operation(char letter) {
    return letter == '+' || letter == '-' || letter == '=';
}

}  // namespace

Result<FileMode> FileMode::parse(std::string_view text) {
    FileMode result;
    if (!text.empty() && text.find_first_not_of("0123456789") == text.npos) {
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), result.octal_, 8);
        if (error != std::errc{} || end != text.data() + text.size() || result.octal_ > kModeMax) {
            return fail(bad_mode(text));
        }
        return result;
    }
    const std::vector<std::string> clauses = split(text, ',');
    if (clauses.size() > kClausesMax) {
        return fail(bad_mode(text));
    }
    for (const std::string& clause : clauses) {
        auto actions = parse_clause(clause);
        if (!actions) {
            return fail(bad_mode(text));
        }
        result.actions_.insert(result.actions_.end(), actions->begin(), actions->end());
    }
    return result;
}

// "[ugoa…]" and one operation or more, each with permissions or one of u, g, o.
Result<std::vector<FileMode::Action>> FileMode::parse_clause(std::string_view clause) {
    std::uint32_t who = 0;
    while (!clause.empty() && who_mask(clause.front()) != 0) {
        who |= who_mask(clause.front());
        clause.remove_prefix(1);
    }
    who = who == 0 ? kEverybody : who;
    if (clause.empty()) {
        return fail(bad_mode(clause));
    }
    std::vector<Action> actions;
    while (!clause.empty()) {
        if (!is_operation(clause.front())) {
            return fail(bad_mode(clause));
        }
        Action action{.who = who, .operation = clause.front()};
        clause.remove_prefix(1);
        if (!clause.empty() &&
            std::string_view("ugo").find(clause.front()) != std::string_view::npos) {
            action.copy_from = clause.front();
            clause.remove_prefix(1);
        }
        while (action.copy_from == '\0' && !clause.empty() && !is_operation(clause.front())) {
            const auto bits = permission_bits(clause.front());
            if (!bits && clause.front() != 'X') {
                return fail(bad_mode(clause));
            }
            action.bits |= bits.value_or(0);
            // The sticky bit is nobody's: only who names it touches it, and not for others alone.
            if (clause.front() == 't' && (who & ~kOthers) != 0) {
                action.who |= kSticky;
            }
            action.execute_if_any = action.execute_if_any || !bits;
            clause.remove_prefix(1);
        }
        actions.push_back(action);
    }
    return actions;
}

std::uint32_t FileMode::apply(std::uint32_t mode, bool is_directory) const {
    if (is_absolute()) {
        return octal_;
    }
    const bool executable = is_directory || (mode & kExecuteAll) != 0;
    for (const Action& action : actions_) {
        std::uint32_t bits =
            action.copy_from == '\0' ? action.bits : spread(mode, action.copy_from);
        if (action.execute_if_any && executable) {
            bits |= kExecuteAll;
        }
        bits &= action.who;
        switch (action.operation) {
            case '+': mode |= bits; break;
            case '-': mode &= ~bits; break;
            default: {
                const std::uint32_t cleared = action.copy_from == '\0' ? kModeMax : 0777;
                mode = (mode & ~(action.who & cleared)) | bits;
                break;
            }
        }
    }
    return mode & kModeMax;
}

}  // namespace lazybuild::dockerfile
