// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_claims.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lazybuild::codec {
namespace {

std::string digest_of(char digit) {
    return "sha256:" + std::string(64, digit);
}

Result<TocClaims> parse(const std::vector<std::string>& entries) {
    const std::string text =
        fmt::format(R"({{"version":1,"entries":[{{{}}}]}})", fmt::join(entries, "},{"));
    MemorySource json{as_bytes(text)};
    return parse_toc_claims(json);
}

TEST(EstargzClaims, are_every_digest_with_its_place) {
    const auto claims = parse({
        R"("name":"./dir/","type":"dir")",
        fmt::format(R"("name":"./dir/later","type":"reg","size":7,"offset":900,"digest":"{}")",
                    digest_of('1')),
        fmt::format(R"("name":"empty","type":"reg","digest":"{}")", digest_of('2')),
        fmt::format(R"("name":"large","type":"reg","size":10,"offset":100,"innerOffset":3,)"
                    R"("chunkSize":6,"digest":"{}","chunkDigest":"{}")",
                    digest_of('3'), digest_of('4')),
        fmt::format(R"("name":"large","type":"chunk","offset":200,"chunkOffset":6,)"
                    R"("chunkDigest":"{}")",
                    digest_of('5')),
    });
    ASSERT_TRUE(claims) << claims.error().message;
    ASSERT_EQ(claims->files.size(), 3U);
    EXPECT_EQ(claims->files[0].path, "dir/later");
    EXPECT_EQ(claims->files[1].chunks, 0U);
    EXPECT_EQ(claims->files[1].digest->text(), digest_of('2'));
    EXPECT_EQ(claims->files[2].chunks, 2U);
    ASSERT_EQ(claims->chunks.size(), 3U);
    EXPECT_EQ(claims->chunks[0].place, (ChunkPlace{100, 3, 6})) << "in the order of the blob";
    EXPECT_EQ(claims->chunks[0].file, 2U);
    EXPECT_EQ(claims->chunks[1].place, (ChunkPlace{200, 0, 4})) << "to the end of the file";
    EXPECT_EQ(claims->chunks[1].file_offset_bytes, 6U);
    EXPECT_EQ(claims->chunks[1].digest->text(), digest_of('5'));
    EXPECT_EQ(claims->chunks[2].digest->text(), digest_of('1')) << "the file's, for its one chunk";
}

TEST(EstargzClaims, count_also_where_a_later_entry_replaces_one) {
    const std::string file =
        fmt::format(R"("name":"a","type":"reg","size":1,"offset":9,"digest":"{}")", digest_of('1'));
    const auto claims = parse({file, file});
    ASSERT_TRUE(claims);
    EXPECT_EQ(claims->files.size(), 2U);
}

TEST(EstargzClaims, of_no_sense_are_refused) {
    const std::string digest = digest_of('1');
    for (const std::vector<std::string>& entries : std::vector<std::vector<std::string>>{
             {R"("name":"a","type":"reg","size":1,"offset":9,"digest":"sha256:x")"},
             {R"("name":"a","type":"chunk","offset":9,"chunkOffset":6)"},
             {R"("name":"a","type":"reg","size":9,"offset":9,"chunkSize":3)"},
             {R"("name":"a","type":"reg","size":9,"offset":9,"chunkSize":3)",
              R"("name":"a","type":"chunk","offset":9,"chunkOffset":4)"},
             {R"("name":"a","type":"reg","size":9,"offset":9,"chunkSize":30)"},
             {R"("name":"a","type":"reg","size":99999999999,"offset":9)"}}) {
        EXPECT_FALSE(parse(entries)) << entries[0];
    }
    MemorySource broken{as_bytes("{")};
    EXPECT_FALSE(parse_toc_claims(broken));
}

}  // namespace
}  // namespace lazybuild::codec
