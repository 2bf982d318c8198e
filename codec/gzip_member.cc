// SPDX-License-Identifier: Apache-2.0
#include "codec/gzip_member.h"

#include <libdeflate.h>

#include <algorithm>
#include <limits>

#include "base/assert.h"
#include "codec/gzip.h"

namespace lazybuild::codec {
namespace {

/// RFC 1952, 2.3.1: CRC-32 and size of the text.
constexpr std::size_t kTrailerBytes = 8;

class AppendSink final : public ByteSink {
  public:
    Result<void> write(ByteView bytes) override {
        out->insert(out->end(), bytes.begin(), bytes.end());
        return {};
    }
    Bytes* out = nullptr;
};

}  // namespace

struct MemberCompressor::Fast {
    explicit Fast(int level) : writer(sink, level) {}

    void append(ByteView text, Bytes& out) {
        sink.out = &out;
        // Only the sink could fail, and it does not.
        ASSERT(writer.start_member());
        ASSERT(writer.write(text));
        ASSERT(writer.end_member());
    }

    AppendSink sink;
    GzipWriter writer;
};

struct MemberCompressor::Small {
    explicit Small(int level) : deflater(libdeflate_alloc_compressor(level)) {
        ASSERT(deflater != nullptr);
    }
    Small(const Small&) = delete;
    Small& operator=(const Small&) = delete;
    ~Small() { libdeflate_free_compressor(deflater); }

    void append(ByteView text, Bytes& out) {
        const std::size_t bound = kMemberHeader.size() +
                                  libdeflate_deflate_compress_bound(deflater, text.size()) +
                                  kTrailerBytes;
        if (bound > room_bytes) {
            room = std::make_unique_for_overwrite<std::byte[]>(bound);
            room_bytes = bound;
        }
        const MutableByteView member{room.get(), room_bytes};
        std::ranges::copy(kMemberHeader, member.begin());
        const MutableByteView body =
            member.subspan(kMemberHeader.size(), room_bytes - kMemberHeader.size() - kTrailerBytes);
        const std::size_t size = libdeflate_deflate_compress(deflater, text.data(), text.size(),
                                                             body.data(), body.size());
        ASSERT(size > 0);  // there is room for the worst case
        const std::size_t trailer = kMemberHeader.size() + size;
        store_le<std::uint32_t>(member, trailer, libdeflate_crc32(0, text.data(), text.size()));
        store_le<std::uint32_t>(member, trailer + sizeof(std::uint32_t),
                                static_cast<std::uint32_t>(text.size()));
        // At once, so that a large member takes no more memory than it has bytes.
        out.insert(out.end(), room.get(), room.get() + trailer + kTrailerBytes);
    }

    libdeflate_compressor* deflater;
    std::unique_ptr<std::byte[]> room;
    std::size_t room_bytes = 0;
};

MemberCompressor::MemberCompressor(int level, Portable portable) {
    ASSERT(level >= kMemberLevelMin && level <= kMemberLevelMax);
    if (level <= kGzipLevelMax && portable == Portable::no) {
        fast_ = std::make_unique<Fast>(level);
    } else {
        small_ = std::make_unique<Small>(level);
    }
}
MemberCompressor::~MemberCompressor() = default;

void MemberCompressor::append(ByteView text, Bytes& out) {
    ASSERT(text.size() <= std::numeric_limits<std::uint32_t>::max());
    if (fast_) {
        fast_->append(text, out);
    } else {
        small_->append(text, out);
    }
}

}  // namespace lazybuild::codec
