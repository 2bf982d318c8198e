// SPDX-License-Identifier: Apache-2.0
#include "codec/name_index.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace lazybuild::codec {
namespace {

constexpr std::size_t kSlotsAtFirst = 64;

// Both halves of a 128-bit product: the mixing step of the wyhash family.
std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{a} * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

}  // namespace

NameIndex::NameIndex() : slots_(kSlotsAtFirst) {
    ::arc4random_buf(seed_.data(), sizeof seed_);
    seed_[1] |= 1;  // a factor of zero would forget what came before
}

std::uint32_t NameIndex::hash_of(NodeId directory, std::string_view name) const {
    std::uint64_t hash = mix(seed_[0] ^ directory, seed_[1] ^ name.size());
    while (!name.empty()) {
        std::uint64_t word = 0;
        const std::size_t count = std::min(name.size(), sizeof word);
        std::memcpy(&word, name.data(), count);
        hash = mix(hash ^ word ^ seed_[0], seed_[1]);
        name.remove_prefix(count);
    }
    return static_cast<std::uint32_t>(hash ^ hash >> 32U);
}

std::optional<std::uint32_t> NameIndex::find(const std::vector<Node>& nodes, NodeId directory,
                                             std::string_view name) const {
    const std::uint32_t hash = hash_of(directory, name);
    for (std::size_t i = hash;; ++i) {
        const Slot& slot = slots_[i & (slots_.size() - 1)];
        if (slot.directory == kFree) {
            return std::nullopt;
        }
        if (slot.hash == hash && slot.directory == directory &&
            nodes[directory].entries[slot.position].name == name) {
            return slot.position;
        }
    }
}

void NameIndex::add(NodeId directory, std::string_view name, std::uint32_t position) {
    if (++used_ * 3 > slots_.size() * 2) {
        grow();
    }
    put(Slot{.hash = hash_of(directory, name), .directory = directory, .position = position});
}

void NameIndex::put(Slot slot) {
    std::size_t i = slot.hash;
    while (slots_[i & (slots_.size() - 1)].directory != kFree) {
        ++i;
    }
    slots_[i & (slots_.size() - 1)] = slot;
}

void NameIndex::grow() {
    std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
    for (const Slot& slot : old) {
        if (slot.directory != kFree) {
            put(slot);
        }
    }
}

}  // namespace lazybuild::codec
