// SPDX-License-Identifier: Apache-2.0
#include "codec/zstd.h"

#include <fmt/format.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <bit>

#include "base/assert.h"

namespace lazybuild::codec {
namespace {

constexpr std::uint32_t kMagic = 0xfd2fb528;
constexpr std::uint32_t kSkippableMagic = 0x184d2a50;  // to 0x184d2a5f
constexpr std::uint32_t kSkippableMask = 0xfffffff0;
constexpr std::size_t kOutputPieceBytes = 256 << 10;
constexpr std::size_t kHeaderBytesMax = 18;  // RFC 8878, 3.1.1.1, with the magic number

Error refusal(std::size_t code) {
    if (ZSTD_getErrorCode(code) == ZSTD_error_frameParameter_windowTooLarge) {
        return over_limit(fmt::format("zstd: a window of more than {} bytes", kZstdWindowBytesMax));
    }
    return corrupt(fmt::format("zstd: {}", ZSTD_getErrorName(code)));
}

/// A frame's own account, held against what came out of it. libzstd 1.5 does so too, but not when
/// the frame arrives in pieces and its last block is empty.
class FrameSize {
  public:
    void took(ByteView compressed, std::size_t text_bytes) {
        const std::size_t missing = kHeaderBytesMax - header_.size();
        const ByteView begin = compressed.first(std::min(missing, compressed.size()));
        header_.insert(header_.end(), begin.begin(), begin.end());
        text_bytes_ += text_bytes;
    }

    /// The frame has ended; the next begins.
    Result<void> end() {
        const std::uint64_t claim = ZSTD_getFrameContentSize(header_.data(), header_.size());
        const bool kept = claim == ZSTD_CONTENTSIZE_UNKNOWN || claim == text_bytes_;
        header_.clear();
        text_bytes_ = 0;
        return kept ? Result<void>{} : fail(corrupt("zstd: not of the size that its frame says"));
    }

  private:
    Bytes header_;
    std::uint64_t text_bytes_ = 0;
};

}  // namespace

bool is_zstd(ByteView begin) {
    if (begin.size() < sizeof(kMagic)) {
        return false;
    }
    const auto magic = load_le<std::uint32_t>(begin);
    return magic == kMagic || (magic & kSkippableMask) == kSkippableMagic;
}

struct ZstdStream::Context {
    explicit Context(std::uint64_t bytes_max)
        : stream(ZSTD_createDCtx()), output(kOutputPieceBytes), output_bytes_max(bytes_max) {
        ASSERT(stream != nullptr);
        constexpr int kWindowLogMax = std::bit_width(kZstdWindowBytesMax) - 1;
        const std::size_t set = ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, kWindowLogMax);
        ASSERT(ZSTD_isError(set) == 0);
    }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    ~Context() { ZSTD_freeDCtx(stream); }

    ZSTD_DCtx* stream;
    Bytes output;
    FrameSize frame;
    std::uint64_t output_bytes = 0;
    std::uint64_t output_bytes_max;
    bool started = false;
    bool in_frame = false;
};

ZstdStream::ZstdStream(std::uint64_t output_bytes_max)
    : context_(std::make_unique<Context>(output_bytes_max)) {}
ZstdStream::~ZstdStream() = default;

Result<void> ZstdStream::push(ByteView compressed, ByteSink& out) {
    ZSTD_inBuffer input{compressed.data(), compressed.size(), 0};
    // A full output may leave more inside, also when all input has been taken.
    bool full = false;
    while (input.pos < input.size || full) {
        ZSTD_outBuffer output{context_->output.data(), context_->output.size(), 0};
        const std::size_t before = input.pos;
        const std::size_t left = ZSTD_decompressStream(context_->stream, &output, &input);
        if (ZSTD_isError(left) != 0) {
            return fail(refusal(left));
        }
        context_->started = true;
        context_->in_frame = left != 0;
        context_->frame.took(compressed.subspan(before, input.pos - before), output.pos);
        if (!context_->in_frame) {
            CHECK_OK(context_->frame.end());
        }
        full = output.pos == output.size && context_->in_frame;
        context_->output_bytes += output.pos;
        if (context_->output_bytes > context_->output_bytes_max) {
            return fail(over_limit(
                fmt::format("zstd: more than {} bytes inside", context_->output_bytes_max)));
        }
        if (output.pos > 0) {
            CHECK_OK(out.write(ByteView{context_->output}.first(output.pos)));
        }
    }
    return {};
}

Result<void> ZstdStream::finish() {
    if (!context_->started) {
        return fail(corrupt("zstd: nothing at all"));
    }
    return context_->in_frame ? fail(corrupt("zstd: it is cut off")) : Result<void>{};
}

struct ZstdFrameCompressor::Context {
    explicit Context(int level) : compressor(ZSTD_createCCtx()) {
        ASSERT(compressor != nullptr);
        for (const auto& [parameter, value] :
             {std::pair{ZSTD_c_compressionLevel, level}, std::pair{ZSTD_c_checksumFlag, 1}}) {
            const std::size_t set = ZSTD_CCtx_setParameter(compressor, parameter, value);
            ASSERT(ZSTD_isError(set) == 0);
        }
    }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    ~Context() { ZSTD_freeCCtx(compressor); }

    ZSTD_CCtx* compressor;
};

ZstdFrameCompressor::ZstdFrameCompressor(int level) {
    ASSERT(level >= kZstdLevelMin && level <= kZstdLevelMax);
    context_ = std::make_unique<Context>(level);
}
ZstdFrameCompressor::~ZstdFrameCompressor() = default;

void ZstdFrameCompressor::append(ByteView text, Bytes& out) {
    const std::size_t before = out.size();
    out.resize(before + ZSTD_compressBound(text.size()));
    const std::size_t size = ZSTD_compress2(context_->compressor, out.data() + before,
                                            out.size() - before, text.data(), text.size());
    ASSERT(ZSTD_isError(size) == 0);  // there is room for the worst case
    out.resize(before + size);
}

}  // namespace lazybuild::codec
