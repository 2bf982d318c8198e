// SPDX-License-Identifier: Apache-2.0
#include "codec/json.h"

#include <gtest/gtest.h>

#include <string>

namespace lazybuild::codec {
namespace {

Result<JsonDocument> parse(std::string_view text) {
    return JsonDocument::parse(as_bytes(text), "document");
}

TEST(Json, keeps_the_order_of_members) {
    const auto document = parse(R"({"b":1,"a":{"d":[true,null,1.5],"c":"é"}})");
    ASSERT_TRUE(document) << document.error().message;
    EXPECT_EQ(json_text(document->root().value()), R"({"b":1,"a":{"d":[true,null,1.5],"c":"é"}})");
}

TEST(Json, refuses_a_member_that_is_there_twice) {
    const auto document = parse(R"({"a":{"size":1,"si\u007ae":2}})");
    ASSERT_FALSE(document);
    EXPECT_EQ(document.error().code, std::errc::bad_message);
    EXPECT_EQ(document.error().message, "document: member \"size\" is there twice");
}

TEST(Json, allows_one_name_in_two_objects) {
    EXPECT_TRUE(parse(R"([{"a":1},{"a":{"a":2}}])"));
}

TEST(Json, names_the_byte_where_the_text_stops_being_json) {
    const auto document = parse(R"({"a": nope})");
    ASSERT_FALSE(document);
    EXPECT_EQ(document.error().code, std::errc::bad_message);
    EXPECT_NE(document.error().message.find("at byte 8"), std::string::npos)
        << document.error().message;
}

TEST(Json, refuses_what_is_not_one_whole_document) {
    for (const std::string_view text : {"", "{", "{} {}", "{\"a\":\"\xff\"}", "[1,]", "\"\x01\""}) {
        EXPECT_FALSE(parse(text)) << text;
    }
}

TEST(Json, refuses_deep_nesting) {
    const std::string deep(kJsonDepthMax + 1, '[');
    EXPECT_EQ(parse(deep + std::string(kJsonDepthMax + 1, ']')).error().code,
              std::errc::argument_out_of_domain);
    EXPECT_TRUE(parse(deep.substr(1) + std::string(kJsonDepthMax, ']')));
}

TEST(Json, refuses_large_documents_and_large_objects) {
    const std::string large(kJsonDocumentBytesMax + 1, ' ');
    EXPECT_EQ(parse(large).error().code, std::errc::argument_out_of_domain);
    std::string wide = "{";
    for (std::size_t i = 0; i <= kJsonMembersMax; ++i) {
        wide += "\"" + std::to_string(i) + "\":0,";
    }
    wide.back() = '}';
    EXPECT_EQ(parse(wide).error().code, std::errc::argument_out_of_domain);
}

TEST(JsonPlace, names_the_path_of_a_wrong_value) {
    const auto document = parse(R"({"list":[{"size":-1,"name":7,"none":null}]})");
    ASSERT_TRUE(document);
    const JsonPlace root = document->root();
    const auto list = root.at("list")->array();
    ASSERT_TRUE(list);
    EXPECT_EQ((*list)[0].at("size")->whole_number().error().message,
              "document.list[0].size: not a whole number of at least 0");
    EXPECT_EQ((*list)[0].at("name")->text().error().message, "document.list[0].name: not a string");
    EXPECT_EQ((*list)[0].at("none").error().message, "document.list[0].none: missing");
    EXPECT_EQ(root.at("list")->at("x").error().message, "document.list: not an object");
    EXPECT_EQ((*list)[0].text_map_or_empty("name").error().message,
              "document.list[0].name: not an object");
}

TEST(JsonPlace, numbers_that_are_not_whole_are_refused) {
    const auto document = parse(R"([1.0, 1e3, 18446744073709551616, "1", 18446744073709551615])");
    ASSERT_TRUE(document);
    const auto places = document->root().array();
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_FALSE((*places)[i].whole_number()) << i;
    }
    EXPECT_EQ((*places)[4].whole_number().value(), 18446744073709551615U);
}

}  // namespace
}  // namespace lazybuild::codec
