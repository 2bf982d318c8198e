// SPDX-License-Identifier: Apache-2.0
#include "codec/oci_descriptor.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "codec/sha256.h"

namespace lazybuild::codec {
namespace {

const std::string kDigest =
    "sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b";

Result<Descriptor> parse(const std::string& text) {
    auto document = JsonDocument::parse(as_bytes(text), "d");
    if (!document) {
        return fail(std::move(document).error());
    }
    return Descriptor::parse(document->root());
}

std::string descriptor_text(std::string_view type, std::string_view digest, std::string_view size) {
    return fmt::format(R"({{"mediaType":{},"digest":{},"size":{}}})", type, digest, size);
}

TEST(Descriptor, writes_back_what_it_does_not_know) {
    const std::string text = fmt::format(
        R"({{"x-mine":{{"b":[1,2],"a":null}},"size":7682,"digest":"{}","mediaType":"t/a",)"
        R"("platform":{{"os":"linux","os.features":["f"],"architecture":"arm","variant":"v7"}},)"
        R"("annotations":{{"z":"1","a":"2"}},"artifactType":"x/y","urls":["https://a/"]}})",
        kDigest);
    const auto descriptor = parse(text);
    ASSERT_TRUE(descriptor) << descriptor.error().message;
    EXPECT_EQ(descriptor->size_bytes, 7682U);
    EXPECT_EQ(descriptor->annotations.at("z"), "1");
    EXPECT_EQ(descriptor->platform->variant, "v7");
    EXPECT_EQ(json_text(descriptor->json()), text);
}

TEST(Descriptor, for_other_bytes_forgets_what_described_the_old_ones) {
    auto descriptor = parse(fmt::format(
        R"({{"mediaType":"t/a","digest":"{}","size":1,"data":"AA==","urls":["u"],"mine":1}})",
        kDigest));
    ASSERT_TRUE(descriptor);
    Descriptor changed = descriptor->with_content("t/b", sha256({}), 0);
    changed.annotations["k"] = "v";
    EXPECT_EQ(json_text(changed.json()),
              fmt::format(R"({{"mediaType":"t/b","digest":"{}","size":0,"mine":1,)"
                          R"("annotations":{{"k":"v"}}}})",
                          sha256({}).text()));
}

TEST(Descriptor, names_the_member_that_is_wrong) {
    const std::string digest = "\"" + kDigest + "\"";
    const struct {
        std::string text;
        std::string path;
    } cases[] = {
        {"[]", "d: not an object"},
        {R"({"mediaType":"t"})", "d.digest: missing"},
        {descriptor_text("1", digest, "1"), "d.mediaType: not a string"},
        {descriptor_text("null", digest, "1"), "d.mediaType: missing"},
        {descriptor_text("\"t\"", "\"sha256:ABC\"", "1"), "d.digest: "},
        {descriptor_text("\"t\"", "\"md5:d41d8cd98f00b204e9800998ecf8427e\"", "1"), "d.digest: "},
        {descriptor_text("\"t\"", digest, "-1"), "d.size: not a whole number"},
        {descriptor_text("\"t\"", digest, "1.5"), "d.size: not a whole number"},
        {descriptor_text("\"t\"", digest, "18446744073709551615"), "d.size: larger than any"},
        {R"({"mediaType":"t","digest":)" + digest + R"(,"size":1,"annotations":{"a":1}})",
         "d.annotations.a: not a string"},
        {R"({"mediaType":"t","digest":)" + digest + R"(,"size":1,"platform":{"os":"linux"}})",
         "d.platform.architecture: missing"},
    };
    for (const auto& wrong : cases) {
        const auto descriptor = parse(wrong.text);
        ASSERT_FALSE(descriptor) << wrong.text;
        EXPECT_EQ(descriptor.error().code, std::errc::bad_message);
        EXPECT_TRUE(descriptor.error().message.starts_with(wrong.path))
            << descriptor.error().message;
    }
}

}  // namespace
}  // namespace lazybuild::codec
