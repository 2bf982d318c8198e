// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/cache_config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "codec/sha256.h"
#include "tests/support/says.h"

namespace lazybuild::cache {
namespace {

codec::Digest digest(char digit) {
    return codec::Digest::parse("sha256:" + std::string(64, digit)).value_or(codec::Digest{});
}

CacheLayer layer(char digit, std::optional<std::size_t> parent) {
    CacheLayer made;
    made.blob.media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    made.blob.digest = digest(digit);
    made.blob.size_bytes = 42;
    made.diff_id = digest('d');
    made.parent = parent;
    return made;
}

/// Two chains on one base: 0 is below 1 and 2.
CacheConfig forked() {
    CacheConfig config;
    config.ours = true;
    config.layers = {layer('c', std::nullopt), layer('b', 0), layer('a', 0)};
    config.records.push_back({.key = digest('5'), .layer = 0, .ours = true});
    config.records.push_back({.key = digest('2'),
                              .inputs = {{{.selector = "", .record = 0}}},
                              .layer = 1,
                              .ours = true,
                              .id = digest('e')});
    config.records.push_back({.key = digest('1'),
                              .inputs = {{{.record = 1}, {.record = 0}}, {{.record = 0}}},
                              .layer = 2,
                              .ours = true,
                              .id = digest('f')});
    return config;
}

std::string error_of(const std::string& text) {
    const auto config = CacheConfig::parse(as_bytes(text));
    EXPECT_FALSE(config) << text;
    return config ? "" : config.error().message;
}

const std::string kDigest = "sha256:" + std::string(64, '7');

// Written by hand from the description of the format.
TEST(CacheConfig, writes_these_bytes) {
    const auto d = [](char digit) { return digest(digit).text(); };
    const std::string annotations =
        fmt::format(R"("annotations":{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip",)"
                    R"("diffID":"{}","size":42}})",
                    d('d'));
    const std::string expected = fmt::format(
        R"({{"layers":[{{"blob":"{}","parent":2,{}}},{{"blob":"{}","parent":2,{}}},)"
        R"({{"blob":"{}","parent":-1,{}}}],)"
        R"("records":[{{"layers":[{{"layer":0}}],"digest":"{}",)"
        R"("inputs":[[{{"link":1}},{{"link":2}}],[{{"link":2}}]],"lazybuild":{{"id":"{}"}}}},)"
        R"({{"layers":[{{"layer":1}}],"digest":"{}","inputs":[[{{"link":2}}]],)"
        R"("lazybuild":{{"id":"{}"}}}},)"
        R"({{"layers":[{{"layer":2}}],"digest":"{}","lazybuild":{{}}}}],)"
        R"("lazybuild":{{"version":1}}}})",
        d('a'), annotations, d('b'), annotations, d('c'), annotations, d('1'), d('f'), d('2'),
        d('e'), d('5'));
    EXPECT_EQ(forked().serialize(), expected);
}

TEST(CacheConfig, equal_caches_have_equal_bytes_in_whatever_order_they_were_made) {
    CacheConfig other;
    other.ours = true;
    other.layers = {layer('a', 1), layer('c', std::nullopt), layer('b', 1)};
    other.records.push_back(
        {.key = digest('1'),
         .inputs = {{{.record = 2}, {.record = 1}, {.record = 2}}, {{.record = 2}}},
         .layer = 0,
         .ours = true,
         .id = digest('f')});
    other.records.push_back({.key = digest('2'),
                             .inputs = {{{.record = 2}}},
                             .layer = 2,
                             .ours = true,
                             .id = digest('e')});
    other.records.push_back({.key = digest('5'), .layer = 1, .ours = true});
    EXPECT_EQ(other.serialize(), forked().serialize());
}

TEST(CacheConfig, reads_what_it_writes) {
    CacheConfig config = forked();
    config.layers[1].compression = layers::Compression::estargz;
    config.layers[1].level = 5;
    config.layers[1].blob.annotations["containerd.io/snapshot/stargz/toc.digest"] = kDigest;
    CacheImage image{.name = "docker.io/library/a:1", .platform = "linux/amd64"};
    image.manifest.media_type = "application/vnd.oci.image.manifest.v1+json";
    image.manifest.digest = digest('8');
    image.config.media_type = "application/vnd.oci.image.config.v1+json";
    image.config.digest = digest('9');
    config.images = {image};
    config.explain = image.config;
    config.mounts = {{.key = digest('3'), .layer = 1, .ids = {digest('a'), digest('b')}},
                     {.key = digest('2'), .layer = 0, .ids = {digest('a')}}};
    const std::string written = config.serialize();
    const auto read = CacheConfig::parse(as_bytes(written));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->serialize(), written);
    EXPECT_EQ(read->images, config.images);
    EXPECT_EQ(read->mounts[0].key, digest('2'));
    EXPECT_EQ(read->mounts[1].ids, config.mounts[0].ids);
    EXPECT_EQ(read->layers[read->mounts[1].layer].blob.digest, config.layers[1].blob.digest);
    EXPECT_EQ(read->layers[1].level, 5);
    EXPECT_EQ(read->layers[1].compression, layers::Compression::estargz);
    EXPECT_EQ(read->layers[1].blob.annotations.size(), 1U);
    EXPECT_EQ(read->records[0].id, digest('f'));
    EXPECT_EQ(read->chain(0).size(), 2U);
}

TEST(CacheConfig, reads_what_buildkit_writes) {
    const auto d = [](char digit) { return digest(digit).text(); };
    const std::string text = fmt::format(
        R"({{"layers":[{{"blob":"{}","parent":-1,"annotations":{{"createdAt":"2026-01-02T03:04:05Z",)"
        R"("diffID":"{}","size":7,"mediaType":"m"}}}},{{"blob":"{}"}}],)"
        R"("records":[{{"layers":[{{"layer":1,"createdAt":"2026-01-02T03:04:05Z"}}],"digest":"{}"}},)"
        R"({{"digest":"{}","inputs":[[{{"selector":"s","link":0}}]],"new":{{}}}},)"
        R"({{"chains":[{{"layers":[1,0],"createdAt":"2026-01-02T03:04:05Z"}}],"digest":"{}"}}]}})",
        d('a'), d('d'), d('b'), d('1'), d('2'), d('3'));
    const auto config = CacheConfig::parse(as_bytes(text));
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_FALSE(config->ours);
    EXPECT_EQ(config->layers[1].parent, 0U);  // BuildKit leaves a parent of 0 out
    EXPECT_EQ(config->records[0].layer, 1U);
    EXPECT_EQ(config->records[1].layer, std::nullopt);
    EXPECT_EQ(config->records[1].inputs[0][0].selector, "s");
    const auto chain = config->chain(config->records[2].layer.value());
    ASSERT_EQ(chain.size(), 2U);
    EXPECT_EQ(config->layers[chain[0]].blob.digest, digest('b'));
    EXPECT_EQ(config->layers[chain[1]].blob.digest, digest('a'));
}

TEST(CacheConfig, refuses_links_to_what_is_not_there) {
    const std::string record = R"({"digest":")" + kDigest + R"(",)";
    EXPECT_TRUE(says(error_of(R"({"records":[)" + record + R"("inputs":[[{"link":1}]]}]})"),
                     "cache config.records[0].inputs[0][0].link: 1 of 1: there is none"));
    EXPECT_TRUE(says(error_of(R"({"records":[)" + record + R"("layers":[{"layer":0}]}]})"),
                     "layers[0].layer"));
    EXPECT_TRUE(says(error_of(R"({"layers":[{"blob":")" + kDigest + R"(","parent":5}]})"),
                     "layers[0].parent"));
    EXPECT_TRUE(says(error_of("[]"), "not an object"));
    const std::string mount = R"({"layers":[{"blob":")" + kDigest +
                              R"(","parent":-1}],"lazybuild":{"version":1,"mounts":[{"key":")";
    EXPECT_TRUE(says(error_of(mount + R"(../../x","layer":0,"ids":[]}]}})"), "mounts[0].key"));
    EXPECT_TRUE(says(error_of(mount + kDigest + R"(","layer":1,"ids":[]}]}})"), "there is none"));
    EXPECT_TRUE(
        says(error_of(mount + kDigest + R"(","layer":0,"ids":[]}]}})"), "0 ids for 1 layers"));
}

TEST(CacheConfig, refuses_layers_that_stand_on_themselves) {
    EXPECT_TRUE(
        says(error_of(R"({"layers":[{"blob":")" + kDigest + R"("}]})"), "stands on itself"));
}

TEST(CacheConfig, refuses_what_a_newer_program_wrote) {
    EXPECT_TRUE(says(error_of(R"({"lazybuild":{"version":2}})"), "a newer one wrote it"));
}

TEST(CacheConfig, ten_thousand_records_are_fine) {
    CacheConfig config;
    config.ours = true;
    constexpr std::size_t kRecords = 10'000;
    for (std::size_t i = 0; i < kRecords; ++i) {
        CacheLayer one = layer('a', std::nullopt);
        one.blob.digest = codec::sha256(as_bytes(fmt::format("blob {}", i)));
        one.parent = i % 100 == 0 ? std::nullopt : std::optional{i - 1};
        config.layers.push_back(one);
        CacheRecord record{.key = codec::sha256(as_bytes(fmt::format("key {}", i))),
                           .layer = i,
                           .ours = true,
                           .id = one.blob.digest};
        if (i % 100 != 0) {
            record.inputs = {{{.record = i - 1}}};
        }
        config.records.push_back(record);
    }
    const std::string written = config.serialize();
    EXPECT_GT(written.size(), std::size_t{1} << 20);
    const auto read = CacheConfig::parse(as_bytes(written));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->records.size(), kRecords);
    EXPECT_EQ(read->serialize(), written);
}

TEST(InlineCache, keeps_the_order_of_the_images_layers) {
    const std::vector<CacheRecord> records = forked().records;
    const std::string written = serialize_inline(records);
    EXPECT_TRUE(written.starts_with(R"([{"layers":[{"layer":2}],"digest":"sha256:1111)"));
    const auto read =
        parse_inline(as_bytes(written), {layer('a', {}), layer('b', {}), layer('c', {})});
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_TRUE(read->ours);
    EXPECT_EQ(read->chain(2), (std::vector<std::size_t>{0, 1, 2}));
    EXPECT_EQ(read->records[0].id, digest('f'));
    EXPECT_EQ(serialize_inline(read->records), written);
}

TEST(InlineCache, refuses_more_layers_than_the_image_has) {
    const auto read = parse_inline(as_bytes(serialize_inline(forked().records)), {layer('a', {})});
    ASSERT_FALSE(read);
    EXPECT_TRUE(says(read.error().message, "there is none"));
}

}  // namespace
}  // namespace lazybuild::cache
