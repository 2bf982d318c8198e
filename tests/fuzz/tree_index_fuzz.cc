// SPDX-License-Identifier: Apache-2.0
// Any bytes as a kept tree index: what is taken is a tree that can be written again, as the same
// bytes, digested, and made into an image, without a second look at any of its numbers.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/bytes.h"
#include "base/stream.h"
#include "codec/erofs_writer.h"
#include "codec/tree_digest.h"
#include "codec/tree_index.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    namespace codec = lazybuild::codec;
    const lazybuild::ByteView bytes = std::as_bytes(std::span{data, size});
    const auto tree = codec::read_tree_index(bytes);
    if (!tree) {
        return 0;
    }
    lazybuild::MemorySink again;
    if (!codec::write_tree_index(*tree, again) || !std::ranges::equal(again.bytes(), bytes)) {
        std::abort();
    }
    lazybuild::MemorySink image;
    const auto written = codec::write_erofs(
        *tree, {.identity = codec::tree_digest(*tree).value_or(codec::Digest{})}, image);
    return written || written.error().code == std::errc::argument_out_of_domain ? 0
                                                                                : (std::abort(), 0);
}
