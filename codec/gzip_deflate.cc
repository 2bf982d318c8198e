// SPDX-License-Identifier: Apache-2.0
#include <isa-l/igzip_lib.h>

#include <algorithm>

#include "base/assert.h"
#include "codec/gzip.h"

namespace lazybuild::codec {
namespace {

/// ISA-L is fed in pieces of exactly this size (but the last of a member), so that a member's bytes
/// depend on its content alone.
constexpr std::size_t kInputBytes = 256 << 10;
constexpr std::size_t kOutputBytes = 64 << 10;

constexpr std::size_t level_buffer_bytes(int level) {
    switch (level) {
        case 0: return ISAL_DEF_LVL0_DEFAULT;
        case 1: return ISAL_DEF_LVL1_DEFAULT;
        case 2: return ISAL_DEF_LVL2_DEFAULT;
        default: return ISAL_DEF_LVL3_DEFAULT;
    }
}

}  // namespace

struct GzipWriter::Deflater {
    explicit Deflater(int level) : level_buffer(level_buffer_bytes(level)), output(kOutputBytes) {
        isal_deflate_init(&stream);
        stream.gzip_flag = IGZIP_GZIP_NO_HDR;
        stream.level = static_cast<std::uint32_t>(level);
        stream.level_buf = reinterpret_cast<std::uint8_t*>(level_buffer.data());
        stream.level_buf_size = static_cast<std::uint32_t>(level_buffer.size());
    }

    isal_zstream stream;
    Bytes level_buffer;
    Bytes output;
};

GzipWriter::GzipWriter(ByteSink& out, int level) : out_(out) {
    ASSERT(level >= kGzipLevelMin && level <= kGzipLevelMax);
    deflater_ = std::make_unique<Deflater>(level);
    input_.reserve(kInputBytes);
}
GzipWriter::~GzipWriter() = default;

Result<void> GzipWriter::start_member() {
    ASSERT(!in_member_);
    in_member_ = true;
    isal_deflate_reset(&deflater_->stream);
    return emit(kMemberHeader);
}

Result<void> GzipWriter::write(ByteView bytes) {
    ASSERT(in_member_);
    while (!bytes.empty()) {
        if (input_.empty() && bytes.size() >= kInputBytes) {
            CHECK_OK(deflate(bytes.first(kInputBytes), Last::no));
            bytes = bytes.subspan(kInputBytes);
            continue;
        }
        const std::size_t count = std::min(bytes.size(), kInputBytes - input_.size());
        input_.insert(input_.end(), bytes.begin(),
                      bytes.begin() + static_cast<std::ptrdiff_t>(count));
        bytes = bytes.subspan(count);
        if (input_.size() == kInputBytes) {
            CHECK_OK(deflate(input_, Last::no));
            input_.clear();
        }
    }
    return {};
}

Result<void> GzipWriter::end_member() {
    ASSERT(in_member_);
    CHECK_OK(deflate(input_, Last::yes));
    input_.clear();
    in_member_ = false;
    return {};
}

Result<void> GzipWriter::deflate(ByteView input, Last last) {
    isal_zstream& stream = deflater_->stream;
    // ISA-L reads through this pointer only; its interface predates const.
    stream.next_in = reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(input.data()));
    stream.avail_in = static_cast<std::uint32_t>(input.size());
    stream.end_of_stream = last == Last::yes ? 1 : 0;
    while (true) {
        stream.next_out = reinterpret_cast<std::uint8_t*>(deflater_->output.data());
        stream.avail_out = static_cast<std::uint32_t>(deflater_->output.size());
        // It fails for bad parameters only, and those are set above.
        ASSERT(isal_deflate(&stream) == COMP_OK);
        const std::size_t produced = deflater_->output.size() - stream.avail_out;
        CHECK_OK(emit(ByteView{deflater_->output}.first(produced)));
        const bool done = last == Last::yes ? stream.internal_state.state == ZSTATE_END
                                            : stream.avail_in == 0 && stream.avail_out > 0;
        if (done) {
            return {};
        }
        ASSERT(produced > 0);
    }
}

Result<void> GzipWriter::emit(ByteView bytes) {
    compressed_bytes_ += bytes.size();
    return bytes.empty() ? Result<void>{} : out_.write(bytes);
}

}  // namespace lazybuild::codec
