// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_cache_verify.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "builder/solve/key.h"
#include "builder/solve/records.h"
#include "codec/sha256.h"
#include "codec/tree_digest.h"
#include "tests/support/image_fixture.h"

namespace lazybuild::cli {
namespace {

codec::Digest digest_of(std::string_view text) {
    return codec::sha256(as_bytes(text));
}

cache::CheckReport a_report() {
    cache::CheckReport report{
        .name = "registry/app:cache", .records = 40, .here = 10, .elsewhere = 2, .without = 3};
    report.lost = 25;
    report.blobs = 7;
    report.blob_bytes = 1'500'000;
    codec::Descriptor blob;
    blob.digest = digest_of("blob");
    blob.size_bytes = 2000;
    report.findings.push_back({.blob = blob, .why = "registry/app: it is not there"});
    for (int i = 0; i < 24; ++i) {
        report.findings[0].needed_by.push_back(
            {.what = "RUN step\n" + std::to_string(i), .layer = digest_of("layer")});
    }
    report.findings.push_back({.why = "no blob of it is known", .needed_by = {{.what = "RUN x"}}});
    return report;
}

TEST(CacheVerifyReport, names_blob_place_and_steps_and_counts) {
    const std::string text = report_text(a_report());
    EXPECT_EQ(text.find("BAD: blob " + digest_of("blob").text() +
                        " (2.0 kB): registry/app: it is not there\n  layer sha256:"),
              0U)
        << text;
    EXPECT_NE(text.find("  RUN step\\x0a0\n"), std::string::npos) << text;
    EXPECT_NE(text.find("  and 4 more\nBAD: no blob of it is known\n  RUN x\n"), std::string::npos)
        << text;
    EXPECT_TRUE(
        text.ends_with("40 records: 10 have their layers here, 2 elsewhere, 3 have none, "
                       "25 cannot be had; 7 blobs (1.5 MB) looked for\n"))
        << text;
}

TEST(CacheVerifyReport, has_all_for_programs) {
    const auto json = nlohmann::json::parse(report_json(a_report()));
    EXPECT_EQ(json["holds"], false);
    EXPECT_EQ(json["records"]["lost"], 25);
    EXPECT_EQ(json["records"]["total"], 40);
    EXPECT_EQ(json["findings"][0]["blob"], digest_of("blob").text());
    EXPECT_EQ(json["findings"][0]["neededBy"].size(), 24U);
    EXPECT_EQ(json["findings"][0]["neededBy"][23]["layer"], digest_of("layer").text());
    EXPECT_FALSE(json["findings"][1].contains("blob"));
    EXPECT_EQ(nlohmann::json::parse(report_json({}))["holds"], true);
}

class CacheVerifyTest : public testing::Test {
  protected:
    ExitCode verify(CacheVerifyArgs args) {
        args.root = directory_ / "root";
        console_.data.clear();
        return run(args, console_);
    }
    std::unique_ptr<solve::Records> records() const {
        return std::move(*solve::Records::open(directory_ / "root"));
    }

    const test::TempDir directory_;
    RecordingConsole console_;
};

TEST_F(CacheVerifyTest, where_no_store_is_none_is_made) {
    EXPECT_EQ(verify({}), ExitCode::failed);
    EXPECT_TRUE(console_.noted("no build has a store there")) << console_.notes;
    directory_.run("test ! -e root");
}

TEST_F(CacheVerifyTest, a_cache_that_makes_no_sense_is_a_usage_error) {
    EXPECT_EQ(verify({.cache_from = "type=kitchen"}), ExitCode::usage);
    EXPECT_EQ(verify({.cache_from = "type=local"}), ExitCode::usage);
    EXPECT_EQ(verify({.cache_from = "type=local,src=" + (directory_ / "nothing")}),
              ExitCode::failed);
    EXPECT_TRUE(console_.noted("cache " + (directory_ / "nothing"))) << console_.notes;
    directory_.run("test ! -e root");
}

TEST_F(CacheVerifyTest, a_record_whose_layer_is_gone_is_a_failure) {
    const auto empty = codec::tree_digest(*codec::FileTreeBuilder{}.finish());
    ASSERT_TRUE(records()->add({.key = digest_of("none"), .layer = *empty, .text = "RUN true"}));
    EXPECT_EQ(verify({}), ExitCode::done) << console_.notes;  // the empty layer can always be made
    EXPECT_EQ(console_.data,
              "1 record: 1 have their layers here, 0 elsewhere, 0 have none, 0 cannot be had\n");
    ASSERT_TRUE(records()->add({.key = digest_of("key"),
                                .layer = digest_of("layer"),
                                .base = solve::chain_id(std::span<const codec::Digest>{}),
                                .text = "RUN make"}));
    EXPECT_EQ(verify({.json = true}), ExitCode::failed);
    EXPECT_TRUE(console_.noted("the layers of 1 of 2 records cannot be had")) << console_.notes;
    const auto json = nlohmann::json::parse(console_.data);
    EXPECT_EQ(json["findings"][0]["neededBy"][0]["what"], "RUN make");
}

}  // namespace
}  // namespace lazybuild::cli
