// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_order.h"

#include <fmt/format.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <ranges>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "codec/estargz_toc.h"

namespace lazybuild::codec {
namespace {

using Index = std::uint32_t;
static_assert(kLayerEntriesMax < std::numeric_limits<Index>::max());

bool is_hard_link(const TarEntry& tar_entry) {
    return tar_entry.entry.kind == LayerEntry::Kind::hardlink;
}

/// Puts entries into a new order by their indices; every entry that stays is taken once.
class Sorter {
  public:
    explicit Sorter(const std::vector<TarEntry>& entries)
        : entries_(entries), state_(entries.size(), State::dropped) {}

    /// Finds out which entries stay.
    Result<void> survey();

    enum class Parents : bool { as_they_come, first };
    /// Takes the entry, after what it depends on, unless it was taken before.
    Result<void> take(Index index, Parents parents);

    std::optional<Index> find(std::string_view clean_path) const;
    bool stays(Index index) const { return state_[index] != State::dropped; }
    const std::vector<Index>& taken() const { return taken_; }

  private:
    enum class State : std::uint8_t { dropped, waiting, in_chain, taken };

    Result<Index> target_of(Index link) const;
    Result<void> take_parents(std::string_view clean_path);

    const std::vector<TarEntry>& entries_;
    std::vector<State> state_;
    std::unordered_map<std::string, Index> by_path_;
    std::vector<Index> taken_;
};

Result<void> Sorter::survey() {
    by_path_.reserve(entries_.size());
    for (Index index = 0; index < entries_.size(); ++index) {
        TRY(std::string path, clean_path(entries_[index].entry.path));
        if (is_estargz_own(path)) {
            continue;
        }
        const auto [place, is_new] = by_path_.try_emplace(std::move(path), index);
        if (!is_new) {
            state_[std::exchange(place->second, index)] = State::dropped;
        }
        state_[index] = State::waiting;
    }
    taken_.reserve(by_path_.size());
    return {};
}

std::optional<Index> Sorter::find(std::string_view clean_path) const {
    const auto found = by_path_.find(std::string{clean_path});
    return found == by_path_.end() ? std::nullopt : std::optional{found->second};
}

Result<Index> Sorter::target_of(Index link) const {
    const LayerEntry& entry = entries_[link].entry;
    TRY(std::string path, clean_path(entry.link_target));
    const std::optional<Index> target = find(path);
    if (!target || state_[*target] == State::in_chain ||
        entries_[*target].entry.type == FileType::directory) {
        return fail(
            corrupt(fmt::format("{}: the target of this hard link, {}, is no file of the layer",
                                entry.path, entry.link_target)));
    }
    return *target;
}

Result<void> Sorter::take(Index index, Parents parents) {
    // A link may point to a link, and so on: a loop, because a layer may make the chain long.
    std::vector<Index> chain;
    while (state_[index] == State::waiting) {
        state_[index] = State::in_chain;
        chain.push_back(index);
        if (!is_hard_link(entries_[index])) {
            break;
        }
        TRY(index, target_of(index));
    }
    for (const Index next : std::views::reverse(chain)) {
        if (parents == Parents::first) {
            TRY(std::string path, clean_path(entries_[next].entry.path));
            CHECK_OK(take_parents(path));
        }
        state_[next] = State::taken;
        taken_.push_back(next);
    }
    return {};
}

/// The entries of the directories above, the root first. Not every tar has them.
Result<void> Sorter::take_parents(std::string_view clean_path) {
    if (clean_path.empty()) {
        return {};
    }
    std::size_t end = 0;
    while (end != std::string_view::npos) {
        if (const auto parent = find(clean_path.substr(0, end));
            parent && !is_hard_link(entries_[*parent])) {
            CHECK_OK(take(*parent, Parents::as_they_come));
        }
        end = clean_path.find('/', end + 1);
    }
    return {};
}

}  // namespace

bool is_estargz_own(std::string_view clean_path) {
    return clean_path == kTocName || clean_path == kPrefetchLandmark ||
           clean_path == kNoPrefetchLandmark;
}

Result<EstargzOrder> order_for_estargz(std::vector<TarEntry> entries,
                                       std::span<const std::string> prioritized) {
    Sorter sorter(entries);
    CHECK_OK(sorter.survey());
    EstargzOrder order;
    for (const std::string& name : prioritized) {
        TRY(std::string path, clean_path(name));
        if (const auto index = sorter.find(path)) {
            CHECK_OK(sorter.take(*index, Sorter::Parents::first));
        } else {
            order.not_found.push_back(name);
        }
    }
    order.prioritized_count = sorter.taken().size();
    for (Index index = 0; index < entries.size(); ++index) {
        if (sorter.stays(index)) {
            CHECK_OK(sorter.take(index, Sorter::Parents::as_they_come));
        }
    }
    order.entries.reserve(sorter.taken().size());
    for (const Index index : sorter.taken()) {
        order.entries.push_back(std::move(entries[index]));
    }
    return order;
}

}  // namespace lazybuild::codec
