// SPDX-License-Identifier: Apache-2.0
// Vectors: FIPS 180-4 examples, as NIST publishes them.
#include "codec/sha256.h"

#include <gtest/gtest.h>

namespace lazybuild::codec {
namespace {

constexpr std::string_view kAbc =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr std::string_view kEmpty =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Sha256, known_answers) {
    EXPECT_EQ(sha256({}).hex(), kEmpty);
    EXPECT_EQ(sha256(as_bytes("abc")).hex(), kAbc);
    EXPECT_EQ(sha256(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")).hex(),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(sha256(Bytes(1'000'000, std::byte{'a'})).hex(),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, pieces_add_up_to_the_whole) {
    Sha256 running;
    running.update(as_bytes("a"));
    running.update({});
    running.update(as_bytes("bc"));
    EXPECT_EQ(running.finish().hex(), kAbc);
}

TEST(Sha256, starts_anew_after_finish) {
    Sha256 running;
    running.update(as_bytes("something else"));
    (void)running.finish();
    EXPECT_EQ(running.finish().hex(), kEmpty);
    running.update(as_bytes("abc"));
    EXPECT_EQ(running.finish().hex(), kAbc);
}

TEST(Sha256, moves_with_its_state) {
    Sha256 first;
    first.update(as_bytes("ab"));
    Sha256 second = std::move(first);
    second.update(as_bytes("c"));
    EXPECT_EQ(second.finish().hex(), kAbc);
}

}  // namespace
}  // namespace lazybuild::codec
