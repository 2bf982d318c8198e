// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_toc_json.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "codec/estargz_toc.h"
#include "gzip_oracle.h"

namespace lazybuild::codec {
namespace {

Result<std::vector<TocEntry>> read(std::string_view json) {
    std::vector<TocEntry> entries;
    MemorySource text(as_bytes(json));
    CHECK_OK(read_toc_json(text, [&entries](TocEntry entry) -> Result<void> {
        entries.push_back(std::move(entry));
        return {};
    }));
    return entries;
}

/// One entry with these members.
Result<TocEntry> read_entry(std::string_view members) {
    TRY(std::vector<TocEntry> entries,
        read(R"({"version":1,"entries":[{)" + std::string{members} + "}]}"));
    if (entries.size() != 1) {
        return fail(invalid("not one entry"));
    }
    return entries.front();
}

std::string write(const std::vector<TocEntry>& entries) {
    MemorySink out;
    TocJsonWriter writer(out);
    for (const TocEntry& entry : entries) {
        EXPECT_TRUE(writer.add(entry));
    }
    EXPECT_TRUE(writer.finish());
    return std::string{as_text(out.bytes())};
}

TocEntry full_entry() {
    TocEntry entry;
    entry.name = "usr/a \"b\"\n\xc3\xbc";
    entry.type = "reg";
    entry.size_bytes = 10;
    entry.modtime = "2026-01-02T03:04:05Z";
    entry.link_name = "target";
    entry.mode = 0644;
    entry.uid = 1;
    entry.gid = 2;
    entry.user_name = "u";
    entry.group_name = "g";
    entry.offset_bytes = 3;
    entry.inner_offset_bytes = 4;
    entry.device_major = 5;
    entry.device_minor = 6;
    entry.xattrs = {{.name = "user.b", .value = "hello"},
                    {.name = "user.a", .value = std::string("\0\xff\xfe", 3)},
                    {.name = "user.empty", .value = ""}};
    entry.digest = "sha256:d";
    entry.chunk_offset_bytes = 7;
    entry.chunk_size_bytes = 8;
    entry.chunk_digest = "sha256:c";
    return entry;
}

TEST(TocJson, writes_fields_in_their_order_with_tabs) {
    TocEntry bare;
    bare.name = "d/";
    bare.type = "dir";
    EXPECT_EQ(write({full_entry(), bare}), R"({
	"version": 1,
	"entries": [
		{
			"name": "usr/a \"b\"\nü",
			"type": "reg",
			"size": 10,
			"modtime": "2026-01-02T03:04:05Z",
			"linkName": "target",
			"mode": 420,
			"uid": 1,
			"gid": 2,
			"userName": "u",
			"groupName": "g",
			"offset": 3,
			"innerOffset": 4,
			"devMajor": 5,
			"devMinor": 6,
			"xattrs": {
				"user.a": "AP/+",
				"user.b": "aGVsbG8=",
				"user.empty": ""
			},
			"digest": "sha256:d",
			"chunkOffset": 7,
			"chunkSize": 8,
			"chunkDigest": "sha256:c"
		},
		{
			"name": "d/",
			"type": "dir"
		}
	]
})");
}

TEST(TocJson, writes_json_without_entries_too) {
    EXPECT_TRUE(nlohmann::json::accept(write({})));
    EXPECT_TRUE(read(write({})));
}

TEST(TocJson, reads_what_it_writes) {
    const auto entries = read(write({full_entry(), {}, full_entry()}));
    ASSERT_TRUE(entries) << entries.error().message;
    ASSERT_EQ(entries->size(), 3);
    EXPECT_EQ(write(*entries), write({full_entry(), {}, full_entry()}));
}

TEST(TocJson, names_that_are_not_utf8_are_said_twice_and_read_exactly) {
    TocEntry entry;
    entry.name = "gr\xfcn";
    entry.link_name = "\xff";
    const std::string json = write({entry});
    EXPECT_TRUE(json.contains("\"name\": \"gr\xef\xbf\xbdn\"")) << "what other readers see";
    const auto entries = read(json);
    ASSERT_TRUE(entries) << entries.error().message;
    EXPECT_EQ(entries->front().name, "gr\xfcn");
    EXPECT_EQ(entries->front().link_name, "\xff");
    entry.name = entry.link_name = "gr\xc3\xbcn";
    EXPECT_FALSE(write({entry}).contains("Base64"));
}

TEST(TocJson, a_name_that_nobody_can_know_is_refused) {
    for (const char* const field : {"name", "linkName"}) {
        const auto entries = read(R"({"version":1,"entries":[{")" + std::string{field} +
                                  "\":\"gr\xef\xbf\xbdn\"}]}");
        ASSERT_FALSE(entries);
        EXPECT_EQ(entries.error().code, std::errc::not_supported);
    }
    EXPECT_FALSE(read("{\"version\":1,\"entries\":[{\"xattrs\":{\"user.\xef\xbf\xbd\":\"\"}}]}"));
}

TEST(TocJson, an_exact_name_must_be_what_the_name_says) {
    const auto with = [](const std::string& name, const std::string& base64) {
        return read(R"({"version":1,"entries":[{"name":")" + name + R"(","lazybuildNameBase64":")" +
                    base64 + "\"}]}");
    };
    EXPECT_TRUE(with("gr\xef\xbf\xbdn", "Z3L8bg=="));
    EXPECT_TRUE(with("abc", "YWJj"));
    for (const char* const other : {"YWJk", "Z3L8bg==", "!", "YWI"}) {
        const auto entries = with("abc", other);
        ASSERT_FALSE(entries) << other;
        EXPECT_EQ(entries.error().code, std::errc::bad_message);
    }
}

TEST(TocJson, knows_what_can_be_said) {
    EXPECT_TRUE(is_sayable(""));
    EXPECT_TRUE(is_sayable("plain\n\x7f"));
    EXPECT_TRUE(is_sayable("gr\xc3\xbcn \xf0\x9f\x90\xa2"));
    EXPECT_FALSE(is_sayable("\xef\xbf\xbd")) << "a reader could not tell it from a bad byte";
    EXPECT_FALSE(is_sayable("gr\xfcn"));
    EXPECT_FALSE(is_sayable("\xc3"));
    EXPECT_FALSE(is_sayable("\xed\xa0\x80"));
    EXPECT_FALSE(is_sayable("\xc0\xaf"));
}

TEST(TocJson, skips_unknown_fields_of_any_shape) {
    const auto entries = read(R"({"x":[{"name":"no","entries":[]},[[]],null,1.5,true,-1,"s"],
        "version":1, "y":{"version":2,"entries":[{"name":"no"}]},
        "entries":[{"NumLink":1,"name":"yes","z":{"name":"no","xattrs":{"a":1},"b":[[{}]]},
                    "type":"dir","w":[],"v":-1.5e3}], "after":null})");
    ASSERT_TRUE(entries) << entries.error().message;
    ASSERT_EQ(entries->size(), 1);
    EXPECT_EQ(entries->front().name, "yes");
    EXPECT_EQ(entries->front().type, "dir");
}

TEST(TocJson, takes_null_for_absent) {
    const auto entry = read_entry(R"("name":"a","size":null,"linkName":null,"xattrs":null)");
    ASSERT_TRUE(entry) << entry.error().message;
    EXPECT_EQ(entry->size_bytes, 0);
    EXPECT_TRUE(read(R"({"version":1,"entries":null})"));
    const auto xattr = read_entry(R"("name":"a","xattrs":{"user.x":null})");
    ASSERT_TRUE(xattr);
    EXPECT_EQ(xattr->xattrs.size(), 1);
}

TEST(TocJson, takes_owners_below_zero_as_chown_does) {
    const auto entry = read_entry(R"("name":"a","uid":-1,"gid":-2)");
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->uid, 4294967295u);
    EXPECT_EQ(entry->gid, 4294967294u);
    EXPECT_FALSE(read_entry(R"("uid":-2147483649)"));
}

TEST(TocJson, rejects_numbers_that_are_none_of_its) {
    for (const std::string_view members :
         {R"("size":-1)", R"("size":1.0)", R"("size":"1")", R"("size":true)", R"("size":[1])",
          R"("size":{})", R"("size":9223372036854775808)", R"("size":18446744073709551616)",
          R"("mode":-1)", R"("offset":-5)", R"("chunkSize":1e3)"}) {
        const auto entry = read_entry(R"("name":"the name",)" + std::string{members});
        ASSERT_FALSE(entry) << members;
        EXPECT_EQ(entry.error().code, std::errc::bad_message);
        EXPECT_NE(entry.error().message.find("the name"), std::string::npos);
    }
    EXPECT_TRUE(read_entry(R"("size":9223372036854775807)"));
}

TEST(TocJson, rejects_texts_and_xattrs_that_are_none) {
    for (const std::string_view members :
         {R"("name":1)", R"("type":[])", R"("digest":{})", R"("xattrs":[])", R"("xattrs":"x")",
          R"("xattrs":{"a":1})", R"("xattrs":{"a":{}})", R"("xattrs":{"a":"!!!!"})",
          R"("xattrs":{"a":"YQ"})", R"("xattrs":{"a":"Y==="})", R"("xattrs":{"a":"===="})"}) {
        EXPECT_FALSE(read_entry(members)) << members;
    }
}

TEST(TocJson, rejects_what_is_no_toc) {
    for (const std::string_view json :
         {"", "null", "[]", "1", "{}", R"({"version":1})", R"({"entries":[]})",
          R"({"version":2,"entries":[]})", R"({"version":"1","entries":[]})",
          R"({"version":1,"entries":{}})", R"({"version":1,"entries":[1]})",
          R"({"version":1,"entries":[null]})", R"({"version":1,"entries":[[]]})",
          R"({"version":1,"entries":[],"entries":[]})", R"({"version":1,"entries":[]}x)",
          R"({"version":1,"entries":[)", R"({"version":1,"entries":[{"name":"a}]})",
          "{\"version\":1,\"entries\":[{\"name\":\"gr\xfcn\"}]}"}) {
        const auto entries = read(json);
        ASSERT_FALSE(entries) << json;
        EXPECT_EQ(entries.error().code, std::errc::bad_message) << json;
    }
}

TEST(TocJson, limits_the_depth_of_nesting) {
    const auto nested = [](std::size_t depth) {
        return R"({"version":1,"entries":[],"x":)" + std::string(depth, '[') +
               std::string(depth, ']') + "}";
    };
    EXPECT_TRUE(read(nested(kTocDepthMax - 1)));
    const auto deeper = read(nested(kTocDepthMax));
    ASSERT_FALSE(deeper);
    EXPECT_EQ(deeper.error().code, std::errc::argument_out_of_domain);
    EXPECT_FALSE(read(std::string(1'000'000, '[')));
}

TEST(TocJson, passes_on_the_error_of_its_taker) {
    MemorySource text(as_bytes(R"({"version":1,"entries":[{},{},{}]})"));
    const auto done = read_toc_json(
        text, [](const TocEntry&) -> Result<void> { return fail(over_limit("enough")); });
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().message, "enough");
}

TEST(TocJson, passes_on_the_error_of_its_source) {
    class Broken final : public ByteSource {
      public:
        Result<std::size_t> read(MutableByteView out) override {
            if (std::exchange(begun_, true)) {
                return fail(corrupt("the source broke"));
            }
            const ByteView text = as_bytes(R"({"version":1,"entries":[{},)");
            std::ranges::copy(text, out.begin());
            return text.size();
        }

      private:
        bool begun_ = false;
    };
    Broken source;
    const auto done = read_toc_json(source, [](const TocEntry&) { return Result<void>{}; });
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().message, "the source broke");
}

}  // namespace
}  // namespace lazybuild::codec
