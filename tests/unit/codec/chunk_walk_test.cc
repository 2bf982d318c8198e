// SPDX-License-Identifier: Apache-2.0
#include "codec/chunk_walk.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace lazybuild::codec {
namespace {

/// Puts the pieces together again.
class Collector final : public ChunkWalk::Visitor {
  public:
    Result<void> part(std::size_t chunk, std::uint64_t offset_bytes, ByteView bytes) override {
        EXPECT_EQ(parts[chunk].size(), offset_bytes) << "chunk " << chunk;
        EXPECT_FALSE(bytes.empty());
        parts[chunk] += as_text(bytes);
        return {};
    }
    Result<void> missing(std::size_t chunk) override {
        EXPECT_TRUE(lost.insert(chunk).second) << "once for each";
        return {};
    }

    std::map<std::size_t, std::string> parts;
    std::set<std::size_t> lost;
};

/// Walks the members, keyed by their place in the blob, in pieces of `piece` bytes.
Collector walk(const std::vector<ChunkPlace>& places,
               const std::map<std::uint64_t, std::string>& members, std::size_t piece) {
    Collector collector;
    ChunkWalk walk(
        places.size(), [&places](std::size_t chunk) { return places[chunk]; }, collector);
    for (const auto& [offset, text] : members) {
        walk.begin_member(offset);
        for (std::size_t at = 0; at < text.size(); at += piece) {
            EXPECT_TRUE(walk.take(as_bytes(std::string_view{text}.substr(at, piece))));
        }
    }
    EXPECT_TRUE(walk.finish());
    return collector;
}

const std::map<std::uint64_t, std::string> kMembers = {
    {0, "header"}, {100, "0123456789"}, {200, "abcdef"}};

TEST(ChunkWalk, finds_chunks_however_the_bytes_are_cut) {
    const std::vector<ChunkPlace> places = {{100, 0, 4}, {100, 4, 6}, {200, 1, 3}};
    for (const std::size_t piece : {1U, 3U, 100U}) {
        const Collector found = walk(places, kMembers, piece);
        EXPECT_EQ(found.parts,
                  (std::map<std::size_t, std::string>{{0, "0123"}, {1, "456789"}, {2, "bcd"}}));
        EXPECT_TRUE(found.lost.empty());
    }
}

TEST(ChunkWalk, chunks_may_share_bytes) {
    const std::vector<ChunkPlace> places = {{100, 2, 5}, {100, 2, 5}, {100, 3, 1}};
    const Collector found = walk(places, kMembers, 2);
    EXPECT_EQ(found.parts,
              (std::map<std::size_t, std::string>{{0, "23456"}, {1, "23456"}, {2, "3"}}));
}

TEST(ChunkWalk, tells_what_is_not_there_and_goes_on) {
    const std::vector<ChunkPlace> places = {{50, 0, 1},   // no member begins there
                                            {100, 8, 3},  // its member ends before it does
                                            {100, 20, 1}, {150, 0, 1}, {200, 0, 6},
                                            {200, 6, 1},  {300, 0, 1}};
    for (const std::size_t piece : {1U, 100U}) {
        const Collector found = walk(places, kMembers, piece);
        EXPECT_EQ(found.lost, (std::set<std::size_t>{0, 1, 2, 3, 5, 6}));
        EXPECT_EQ(found.parts.at(4), "abcdef");
    }
}

TEST(ChunkWalk, refuses_too_many_that_share_bytes) {
    const std::vector<ChunkPlace> places(kOpenChunksMax + 1, ChunkPlace{100, 0, 10});
    Collector collector;
    ChunkWalk walk(
        places.size(), [&places](std::size_t chunk) { return places[chunk]; }, collector);
    walk.begin_member(100);
    const auto taken = walk.take(as_bytes("01234"));
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, std::errc::argument_out_of_domain) << taken.error().message;
}

}  // namespace
}  // namespace lazybuild::codec
