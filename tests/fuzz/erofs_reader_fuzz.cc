// SPDX-License-Identifier: Apache-2.0
// Damaged EROFS metadata images: a look at any path ends, with what is there or with an Error.
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>

#include "base/assert.h"
#include "base/stream.h"
#include "codec/erofs_reader.h"

namespace lazybuild::codec {
namespace {

void look_around(ByteView image) {
    const MemoryAccess access{image};
    const auto reader = ErofsReader::open(access);
    if (!reader) {
        return;
    }
    constexpr std::size_t kTailBytes = 12;
    const std::string tail{as_text(image.last(std::min(image.size(), kTailBytes)))};
    for (const std::string& path : {std::string{}, std::string{"d"}, std::string{"d/sub"},
                                    std::string{"l"}, std::string{"d/n77"}, "d/" + tail, tail}) {
        const auto found = reader->look(path);
        if (found && *found) {
            const Node& node = **found;
            ASSERT(node.link_target.size() <= kPathBytesMax);
            ASSERT(node.type == FileType::symlink || node.link_target.empty());
            ASSERT((node.mode & ~07777U) == 0);
        }
    }
}

}  // namespace
}  // namespace lazybuild::codec

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    lazybuild::codec::look_around(std::as_bytes(std::span{data, size}));
    return 0;
}
