// SPDX-License-Identifier: Apache-2.0
#include "base/stream.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace lazybuild {
namespace {

/// Gives one byte at a time, as a slow socket does.
class TricklingSource final : public ByteSource {
  public:
    explicit TricklingSource(ByteView bytes) : source_(bytes) {}
    Result<std::size_t> read(MutableByteView out) override { return source_.read(out.first(1)); }

  private:
    MemorySource source_;
};

TEST(Stream, read_full_collects_short_reads) {
    TricklingSource source{as_bytes("abcdef")};
    Bytes out(4);
    EXPECT_EQ(read_full(source, out), 4U);
    EXPECT_EQ(as_text(out), "abcd");
}

TEST(Stream, read_full_is_short_only_at_the_end) {
    MemorySource source{as_bytes("abc")};
    Bytes out(8);
    EXPECT_EQ(read_full(source, out), 3U);
    EXPECT_EQ(read_full(source, out), 0U);
}

TEST(Stream, sink_keeps_everything_in_order) {
    MemorySink sink;
    EXPECT_TRUE(sink.write(as_bytes("ab")));
    EXPECT_TRUE(sink.write({}));
    EXPECT_TRUE(sink.write(as_bytes("c")));
    EXPECT_EQ(as_text(sink.bytes()), "abc");
}

TEST(Stream, random_access_reads_inside_and_refuses_past_the_end) {
    const MemoryAccess access{as_bytes("abcdef")};
    Bytes out(3);
    EXPECT_TRUE(access.read_at(3, out));
    EXPECT_EQ(as_text(out), "def");
    EXPECT_FALSE(access.read_at(4, out));
    EXPECT_FALSE(access.read_at(UINT64_MAX, out));
    EXPECT_TRUE(access.read_at(6, {}));
}

}  // namespace
}  // namespace lazybuild
