// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/base64.h"

#include <gtest/gtest.h>

#include <string>

namespace lazybuild::registry {
namespace {

TEST(Base64, matches_the_vectors_of_rfc_4648) {
    constexpr std::pair<std::string_view, std::string_view> kVectors[] = {{"", ""},
                                                                          {"f", "Zg=="},
                                                                          {"fo", "Zm8="},
                                                                          {"foo", "Zm9v"},
                                                                          {"foob", "Zm9vYg=="},
                                                                          {"fooba", "Zm9vYmE="},
                                                                          {"foobar", "Zm9vYmFy"}};
    for (const auto& [plain, encoded] : kVectors) {
        EXPECT_EQ(base64_encode(plain), encoded);
        EXPECT_EQ(base64_decode(encoded), plain);
    }
}

TEST(Base64, carries_every_byte) {
    std::string all;
    for (int i = 0; i < 256; ++i) {
        all += static_cast<char>(i);
    }
    EXPECT_EQ(base64_decode(base64_encode(all)), all);
}

TEST(Base64, takes_missing_padding) {
    EXPECT_EQ(base64_decode("Zg"), "f");
}

TEST(Base64, rejects_what_it_never_wrote) {
    for (const std::string_view text : {"Z", "Zg=g", "Zm9v!", "Zm 9v", "Zh==", "Zm9=", "===="}) {
        EXPECT_FALSE(base64_decode(text)) << text;
    }
}

}  // namespace
}  // namespace lazybuild::registry
