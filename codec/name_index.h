// SPDX-License-Identifier: Apache-2.0
// Where a name stands in its directory, for all directories of a tree under construction at once:
// one open-addressing hash table of 12-byte slots, so that a million names cost no allocation each
// and a directory of 100,000 names is no slower than one of ten.
//
// Names come from hostile layers: the hash is keyed with a random seed for each table, so that
// nobody can prepare names that all fall into one place.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "codec/file_tree.h"

namespace lazybuild::codec {

/// One thread at a time.
class NameIndex {
  public:
    NameIndex();

    /// The position of `name` in nodes[directory].entries.
    std::optional<std::uint32_t> find(const std::vector<Node>& nodes, NodeId directory,
                                      std::string_view name) const;

    /// Remembers the position of a name that find() does not know. Positions are for good.
    void add(NodeId directory, std::string_view name, std::uint32_t position);

  private:
    struct Slot {
        std::uint32_t hash = 0;
        NodeId directory = kFree;
        std::uint32_t position = 0;
    };
    static constexpr NodeId kFree = UINT32_MAX;

    std::uint32_t hash_of(NodeId directory, std::string_view name) const;
    void put(Slot slot);
    void grow();

    std::array<std::uint64_t, 2> seed_{};
    std::vector<Slot> slots_;  // a power of two of them
    std::size_t used_ = 0;
};

}  // namespace lazybuild::codec
