// SPDX-License-Identifier: Apache-2.0
// Small questions about text that every part of the Dockerfile language asks: what a blank is, how
// a word is quoted in a message. Blanks are ASCII's; letters outside ASCII are just bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lazybuild::dockerfile {

/// Blank, tab, line ends, vertical tab, form feed.
bool is_blank(char letter);
std::string_view trim_left(std::string_view text);
std::string_view trim(std::string_view text);

std::string lower_case(std::string_view text);
std::string upper_case(std::string_view text);

/// What stands before the first run of blanks, and what after it ("" when there is none).
struct FirstWord {
    std::string_view word;
    std::string_view rest;
};
FirstWord first_word(std::string_view text);

/// The words of `text`, which blanks part; quotes mean nothing here.
std::vector<std::string> split_blanks(std::string_view text);
std::vector<std::string> split(std::string_view text, char separator);

/// `text` between quotes for messages: `"a \"b\"\n"`, what cannot be printed as \xNN.
std::string quoted(std::string_view text);

/// " (did you mean X?)" with the option that is fewer than three edits away, or "". Options that
/// differ only in case are compared without it when `any_case`, and answered in the case of
/// `typed`.
std::string did_you_mean(std::string_view typed, const std::vector<std::string>& options,
                         bool any_case = false);
/// The option alone; "" for none.
std::string nearest_option(std::string_view typed, const std::vector<std::string>& options,
                           bool any_case = false);

}  // namespace lazybuild::dockerfile
