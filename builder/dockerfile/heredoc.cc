// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/heredoc.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "builder/dockerfile/expand.h"
#include "builder/dockerfile/text.h"

namespace lazybuild::dockerfile {
namespace {

std::ptrdiff_t count_quotes(std::string_view text) {
    return std::ranges::count_if(text, [](char letter) { return letter == '\'' || letter == '"'; });
}

}  // namespace

std::optional<HeredocMark> parse_heredoc_mark(std::string_view word) {
    word.remove_prefix(std::min(word.find_first_not_of("0123456789"), word.size()));
    if (!word.starts_with("<<")) {
        return std::nullopt;
    }
    word.remove_prefix(2);
    const bool cut_tabs = word.starts_with('-');
    word = trim_left(word.substr(cut_tabs ? 1 : 0));
    if (word.empty() || word.find('<') != word.npos) {
        return std::nullopt;
    }
    auto plain = shell_words(word, Quoting::remove);
    if (!plain || plain->size() != 1) {
        return std::nullopt;
    }
    const bool expand = count_quotes(word) == count_quotes(plain->front());
    return HeredocMark{std::move(plain->front()), expand, cut_tabs};
}

std::vector<HeredocMark> find_heredocs(std::string_view line) {
    std::vector<HeredocMark> marks;
    const auto words = shell_words(line, Quoting::keep);
    if (!words) {
        return marks;
    }
    for (const std::string& word : *words) {
        if (auto mark = parse_heredoc_mark(word)) {
            marks.push_back(std::move(*mark));
        }
    }
    return marks;
}

std::string without_leading_tabs(std::string_view content) {
    std::string result;
    bool at_start = true;
    for (const char letter : content) {
        if (letter == '\t' && at_start) {
            continue;
        }
        at_start = letter == '\n';
        result += letter;
    }
    return result;
}

}  // namespace lazybuild::dockerfile
