// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/check_store.h"

#include <gtest/gtest.h>

#include "builder/image/oci_layout.h"
#include "builder/solve/key.h"
#include "tests/support/says.h"
#include "tests/unit/cache/cache_fixture.h"

namespace lazybuild::cache {
namespace {

using layers::CheckDepth;
using test::digest_of;

class CheckStoreTest : public exporter::test::ExportFixture {
  protected:
    CheckStoreTest() : records_(solve::Records::open(directory_ / "root").value()) {}

    /// A record of a step that made the layer of this name, on `below`.
    void add(const std::string& name, const std::vector<std::string>& below = {}) {
        std::vector<codec::Digest> ids;
        for (const std::string& each : below) {
            ids.push_back(digest_of(each));
        }
        EXPECT_TRUE(records_->add({.key = digest_of("key of " + name),
                                   .layer = digest_of(name),
                                   .base = solve::chain_id(ids),
                                   .text = "RUN " + name}));
    }
    void have(const std::string& name) { store_.known[digest_of(name)] = nullptr; }
    /// A blob of the layer, of four bytes; where it is, if anywhere.
    codec::Descriptor blob(const std::string& layer, const std::string& directory = "") {
        codec::Descriptor blob;
        blob.media_type = "application/x";
        blob.digest = digest_of("blob of " + layer);
        blob.size_bytes = 4;
        EXPECT_TRUE(store_.add_blob(digest_of(layer), {.descriptor = blob}));
        if (!directory.empty()) {
            EXPECT_TRUE(store_.add_origin(blob.digest, {.kind = store::Origin::Kind::oci_layout,
                                                        .host = {},
                                                        .path = directory_ / directory}));
        }
        return blob;
    }
    void put(const std::string& directory, const codec::Descriptor& blob,
             std::string_view bytes = "four") {
        const auto layout = image::OciLayout::create(directory_ / directory);
        ASSERT_TRUE(layout);
        EXPECT_TRUE(layout->put_bytes(blob, as_bytes(bytes)));
    }
    CheckReport check(const std::vector<std::vector<codec::Digest>>& bases = {},
                      CheckDepth depth = CheckDepth::index) {
        auto report = session_->run_blocking(
            [&] { return check_store(store_, *records_, bases, depth, *session_); });
        EXPECT_TRUE(report) << report.error().message;
        return report.value_or(CheckReport{});
    }

    std::unique_ptr<solve::Records> records_;
};

TEST_F(CheckStoreTest, each_record_is_one_of_three_things) {
    have("here");
    add("here");
    put("layout", blob("elsewhere", "layout"));
    add("elsewhere");
    add("lost");
    const CheckReport report = check();
    EXPECT_EQ(report.records, 3U);
    EXPECT_EQ(report.here, 1U);
    EXPECT_EQ(report.elsewhere, 1U);
    EXPECT_EQ(report.lost, 1U);
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_TRUE(says(report.findings[0].why, "is not in the store, and no blob of it is known"));
    EXPECT_EQ(report.findings[0].needed_by[0].what, "RUN lost");
    EXPECT_EQ(report.findings[0].needed_by[0].layer, digest_of("lost"));
}

TEST_F(CheckStoreTest, says_what_each_place_says) {
    put("layout", blob("large", "layout"), "of another size");
    add("large");
    blob("gone", "layout");
    add("gone");
    blob("closed", "no layout");
    add("closed");
    const CheckReport report = check();
    EXPECT_EQ(report.lost, 3U);
    std::map<codec::Digest, std::string> whys;
    for (const CheckFinding& finding : report.findings) {
        whys[finding.blob.value().digest] = finding.why;
    }
    EXPECT_TRUE(says(whys[digest_of("blob of large")], "it has 15 bytes there, not 4"));
    EXPECT_TRUE(says(whys[digest_of("blob of gone")], "layout: it is not there"));
    EXPECT_TRUE(says(whys[digest_of("blob of closed")], "no layout"));
    EXPECT_FALSE(says(whys[digest_of("blob of closed")], "no place is known"));
}

TEST_F(CheckStoreTest, a_blob_in_the_store_will_do) {
    const codec::Descriptor kept = blob("exported");
    add("exported");
    directory_.write("root/blobs/sha256/" + kept.digest.hex(), "four");
    EXPECT_EQ(check().here, 1U);
    // Its name is not the digest of these bytes.
    const CheckReport report = check({}, CheckDepth::every_byte);
    EXPECT_EQ(report.lost, 1U);
    EXPECT_TRUE(says(report.findings.at(0).why, "it is corrupt")) << report.findings.at(0).why;
}

// Builds take what is here.
TEST_F(CheckStoreTest, a_damaged_layer_is_not_made_good_by_a_blob) {
    put("layout", blob("step", "layout"));
    add("step");
    EXPECT_EQ(check().elsewhere, 1U);
    store_.damaged.insert(digest_of("step"));
    const CheckReport report = check();
    EXPECT_EQ(report.lost, 1U);
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_EQ(report.findings[0].why, "damaged");
}

TEST_F(CheckStoreTest, a_record_needs_the_layers_below_it) {
    const std::vector<std::vector<codec::Digest>> bases = {
        {digest_of("base 1"), digest_of("base 2")}};
    put("layout", blob("base 1", "layout"));
    have("base 2");
    for (const char* const step : {"first", "second"}) {
        have(step);
    }
    add("first", {"base 1", "base 2"});
    add("second", {"base 1", "base 2", "first"});
    EXPECT_EQ(check(bases).elsewhere, 2U);
    EXPECT_EQ(check().here, 2U);  // of an image that nobody knows any more

    store_.known.erase(digest_of("first"));
    CheckReport report = check(bases);
    EXPECT_EQ(report.lost, 2U);
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_EQ(report.findings[0].needed_by.size(), 2U);

    have("first");
    directory_.run("rm layout/blobs/sha256/*");
    report = check(bases);
    EXPECT_EQ(report.lost, 2U);
    EXPECT_EQ(report.findings.at(0).blob->digest, digest_of("blob of base 1"));
}

}  // namespace
}  // namespace lazybuild::cache
