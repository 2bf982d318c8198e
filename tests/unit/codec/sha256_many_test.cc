// SPDX-License-Identifier: Apache-2.0
// Every kernel that this CPU has against OpenSSL's one-message interface, and the published vectors
// (FIPS 180-4 examples, as NIST publishes them). A kernel that the CPU lacks is a skipped test.
#include "codec/sha256_many.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "codec/sha256.h"

namespace lazybuild::codec {
namespace {

struct Way {
    const char* name;
    Sha256Plan plan;
};

/// The kernels to their end, then with streams that take over early and late.
constexpr Way kWays[] = {
    {"openssl", {.kernel = Sha256Kernel::openssl}},
    {"avx2", {.kernel = Sha256Kernel::avx2}},
    {"avx2_then_streams", {.kernel = Sha256Kernel::avx2, .lanes_per_stream = 2.5}},
    {"avx512", {.kernel = Sha256Kernel::avx512}},
    {"avx512_then_streams", {.kernel = Sha256Kernel::avx512, .lanes_per_stream = 2}},
    {"avx512_then_streams_early", {.kernel = Sha256Kernel::avx512, .lanes_per_stream = 15}},
};

bool runs_here(Sha256Kernel kernel) {
    const std::vector<Sha256Kernel> kernels = sha256_kernels_here();
    return std::ranges::find(kernels, kernel) != kernels.end();
}

class Sha256Many : public testing::TestWithParam<Way> {
  protected:
    void SetUp() override {
        if (!runs_here(plan().kernel)) {
            GTEST_SKIP() << "this CPU, or its operating system, lacks "
                         << sha256_kernel_name(plan().kernel);
        }
    }

    const Sha256Plan& plan() const { return GetParam().plan; }

    std::vector<Digest> digests(std::span<const ByteView> messages) const {
        std::vector<Digest> found(messages.size());
        sha256_each(plan(), messages, found);
        return found;
    }

    void expect_as_openssl(std::span<const ByteView> messages) const {
        const std::vector<Digest> found = digests(messages);
        for (std::size_t i = 0; i < messages.size(); ++i) {
            ASSERT_EQ(found[i].hex(), sha256(messages[i]).hex())
                << "message " << i << " of " << messages.size() << ", " << messages[i].size()
                << " bytes";
        }
    }
};

INSTANTIATE_TEST_SUITE_P(kernels, Sha256Many, testing::ValuesIn(kWays),
                         [](const testing::TestParamInfo<Way>& info) { return info.param.name; });

/// Bytes that differ everywhere, the same in every run.
Bytes noise(std::size_t size) {
    std::mt19937_64 random(size);
    Bytes bytes(align_up(size, sizeof(std::uint64_t)));
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint64_t)) {
        store_le<std::uint64_t>(bytes, at, random());
    }
    bytes.resize(size);
    return bytes;
}

/// Views of the given sizes, that share one buffer and begin at every alignment.
std::vector<ByteView> views(const Bytes& buffer, std::span<const std::size_t> sizes) {
    std::vector<ByteView> messages;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        const std::size_t room = buffer.size() - sizes[i];
        messages.push_back(ByteView{buffer}.subspan(room == 0 ? 0 : i * 101 % room, sizes[i]));
    }
    return messages;
}

TEST_P(Sha256Many, known_answers) {
    const Bytes million(1'000'000, std::byte{'a'});
    const std::vector<ByteView> messages = {
        as_bytes("abc"),
        {},
        million,
        as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
        as_bytes("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopq"
                 "klmnopqrlmnopqrsmnopqrstnopqrstu"),
    };
    const std::vector<Digest> found = digests(messages);
    EXPECT_EQ(found[0].hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(found[1].hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(found[2].hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    EXPECT_EQ(found[3].hex(), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(found[4].hex(), "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

TEST_P(Sha256Many, every_length_up_to_300) {
    std::vector<std::size_t> sizes(301);
    std::iota(sizes.begin(), sizes.end(), std::size_t{0});
    const Bytes buffer = noise(500);
    expect_as_openssl(views(buffer, sizes));
    for (const std::size_t size : sizes) {
        expect_as_openssl(views(buffer, std::vector<std::size_t>(17, size)));
        expect_as_openssl(views(buffer, std::vector<std::size_t>{size}));
    }
}

TEST_P(Sha256Many, an_empty_batch) {
    expect_as_openssl({});
}

TEST_P(Sha256Many, batches_around_the_number_of_lanes) {
    const Bytes buffer = noise(6000);
    for (const std::size_t count : {1UZ, 2UZ, 7UZ, 8UZ, 9UZ, 15UZ, 16UZ, 17UZ, 33UZ, 1000UZ}) {
        std::mt19937_64 random(count);
        std::vector<std::size_t> sizes(count);
        std::ranges::generate(sizes, [&random] { return random() % 5000; });
        expect_as_openssl(views(buffer, sizes));
        std::ranges::fill(sizes, 4096);
        expect_as_openssl(views(buffer, sizes));
    }
}

TEST_P(Sha256Many, wildly_unequal_lengths) {
    const Bytes buffer = noise(5 << 20);
    // One message longer than all others together, last in the batch; some that are very short.
    std::vector<std::size_t> sizes(40, 1000);
    sizes.insert(sizes.end(), {0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 100'000, 5 << 20});
    expect_as_openssl(views(buffer, sizes));
}

TEST_P(Sha256Many, random_lengths) {
    const Bytes buffer = noise(3 << 20);
    std::mt19937_64 random(7);
    for (int batch = 0; batch < 8; ++batch) {
        std::vector<std::size_t> sizes(1 + random() % 40);
        // Every order of magnitude is as likely as any other.
        std::ranges::generate(
            sizes, [&random] { return random() % ((std::size_t{3} << 20) >> random() % 20); });
        expect_as_openssl(views(buffer, sizes));
    }
}

TEST_P(Sha256Many, every_alignment) {
    const Bytes buffer = noise(1100);
    std::vector<ByteView> messages;
    for (std::size_t offset = 0; offset <= 64; ++offset) {
        messages.push_back(ByteView{buffer}.subspan(offset, 1000));
    }
    expect_as_openssl(messages);
}

/// A buffer that ends where the message does: the address sanitizer sees what is read behind it.
TEST_P(Sha256Many, reads_nothing_behind_a_message) {
    for (const std::size_t size : {1UZ, 63UZ, 64UZ, 65UZ, 4095UZ, 4096UZ, 4097UZ}) {
        const std::vector<Bytes> buffers(20, noise(size));
        expect_as_openssl(std::vector<ByteView>(buffers.begin(), buffers.end()));
    }
}

TEST(Sha256ManyChoice, openssl_is_always_there_and_the_plan_is_possible) {
    const std::vector<Sha256Kernel> kernels = sha256_kernels_here();
    ASSERT_FALSE(kernels.empty());
    EXPECT_EQ(kernels.front(), Sha256Kernel::openssl);
    EXPECT_TRUE(runs_here(sha256_plan_here().kernel));
}

TEST(Sha256ManyChoice, the_plan_of_this_cpu_gives_the_right_digests) {
    const Bytes buffer = noise(300'000);
    const std::vector<ByteView> messages = {ByteView{buffer}, ByteView{buffer}.first(100), {}};
    std::vector<Digest> found(messages.size());
    sha256_each(messages, found);
    for (std::size_t i = 0; i < messages.size(); ++i) {
        EXPECT_EQ(found[i], sha256(messages[i]));
    }
}

/// The way that OpenSSL takes by itself where it can.
TEST(Sha256ManyChoice, streams_on_sha_instructions) {
    if (!sha256_instructions_here()) {
        GTEST_SKIP() << "this CPU has no SHA-NI: OpenSSL's code for it was not run";
    }
    Digest found;
    const ByteView message = as_bytes("abc");
    sha256_each({.kernel = Sha256Kernel::openssl}, {&message, 1}, {&found, 1});
    EXPECT_EQ(found.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace lazybuild::codec
