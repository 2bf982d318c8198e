// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/drop_list.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"

namespace lazybuild::cache {
namespace {

constexpr std::size_t kTextsShownMax = 3;

}  // namespace

void DropList::add(const std::string& text, Fate fate, const std::string& reason) {
    ++count_;
    // The last one first: neighbours mostly have one reason.
    const auto known = std::find_if(groups_.rbegin(), groups_.rend(), [&](const Group& group) {
        return group.fate == fate && group.reason == reason;
    });
    Group& group =
        known != groups_.rend()
            ? *known
            : groups_.emplace_back(Group{.fate = fate, .reason = reason, .texts = {}, .count = 0});
    ++group.count;
    if (group.texts.size() < kTextsShownMax) {
        group.texts.push_back(fmt::format("\"{}\"", text));
    }
}

std::vector<std::string> DropList::sentences() const {
    std::vector<std::string> sentences;
    for (const Group& group : groups_) {
        std::string who = fmt::format("{}", fmt::join(group.texts, ", "));
        if (group.count > group.texts.size()) {
            who += fmt::format(" and {} more", group.count - group.texts.size());
        }
        const bool one = group.count == 1;
        const char* const fate = group.fate == Fate::left_out ? "left out"
                                 : one                        ? "without its layers"
                                                              : "without their layers";
        sentences.push_back(
            fmt::format("{} {} {}: {}", who, one ? "is" : "are", fate, group.reason));
    }
    return sentences;
}

Error DropList::refusal(std::size_t record_count) const {
    ASSERT(count_ > 0);
    return corrupt(fmt::format("{} of {} records had to be dropped, and strict=true: {}", count_,
                               record_count, sentences().front()));
}

}  // namespace lazybuild::cache
