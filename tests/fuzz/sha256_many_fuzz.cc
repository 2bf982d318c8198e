// SPDX-License-Identifier: Apache-2.0
// Many messages at once against one after the other, in every kernel that the CPU has. The first
// byte says when streams take over; then pairs of bytes say where in the input a message begins and
// how long it is, and the messages lie in the whole of the input.
#include <algorithm>
#include <cstdint>

#include "base/assert.h"
#include "codec/sha256.h"
#include "codec/sha256_many.h"

namespace lazybuild::codec {
namespace {

constexpr std::size_t kMessagesMax = 64;

std::vector<ByteView> cut(ByteView input) {
    std::vector<ByteView> messages;
    for (std::size_t at = 1; at + 1 < input.size() && messages.size() < kMessagesMax; at += 2) {
        const ByteView rest = input.subspan(std::to_integer<std::size_t>(input[at]) % input.size());
        // Squared, so that a small input has long messages too, if it is long enough for them.
        const auto length = std::to_integer<std::size_t>(input[at + 1]);
        messages.push_back(rest.first(std::min(length * length / 16, rest.size())));
    }
    return messages;
}

void try_bytes(ByteView input) {
    if (input.empty()) {
        return;
    }
    const std::vector<ByteView> messages = cut(input);
    const double lanes_per_stream = std::to_integer<int>(input[0]) % 17;
    for (const Sha256Kernel kernel : sha256_kernels_here()) {
        std::vector<Digest> found(messages.size());
        sha256_each({.kernel = kernel, .lanes_per_stream = lanes_per_stream}, messages, found);
        for (std::size_t i = 0; i < messages.size(); ++i) {
            ASSERT(found[i] == sha256(messages[i]));
        }
    }
}

}  // namespace
}  // namespace lazybuild::codec

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    lazybuild::codec::try_bytes(std::as_bytes(std::span{data, size}));
    return 0;
}
