// SPDX-License-Identifier: Apache-2.0
// Inflating. One member at a time is ISA-L's business; where members begin and end is ours.
#include <fmt/format.h>
#include <isa-l/igzip_lib.h>

#include <algorithm>

#include "base/assert.h"
#include "codec/gzip.h"

namespace lazybuild::codec {
namespace {

constexpr std::size_t kInputBytes = 64 << 10;
constexpr std::size_t kOutputBytes = 256 << 10;
/// ISA-L counts in 32 bits.
constexpr std::size_t kCallBytesMax = 1 << 30;

std::string_view describe(int isal_error) {
    switch (isal_error) {
        case ISAL_INVALID_BLOCK:
        case ISAL_INVALID_SYMBOL:
        case ISAL_INVALID_LOOKBACK: return "the deflate stream is broken";
        case ISAL_INVALID_WRAPPER: return "no gzip member starts here";
        case ISAL_UNSUPPORTED_METHOD: return "the compression method is not deflate";
        case ISAL_INCORRECT_CHECKSUM: return "the checksum or length does not match";
        default: return "it cannot be inflated";
    }
}

Error cannot_inflate(int isal_error) {
    return corrupt(fmt::format("gzip: {}", describe(isal_error)));
}

Error truncated() {
    return corrupt("gzip: the data ends inside a member");
}

Error past_limit(std::uint64_t output_bytes_max) {
    return over_limit(fmt::format("gzip: more than {} bytes when uncompressed", output_bytes_max));
}

}  // namespace

/// One member after the other, its header, its body and its trailer.
///
/// isal_inflate() could read the header too, but it keeps the header's flags on its stack: a header
/// with optional fields, cut between two calls, is then misread (an eStargz footer is such a one).
/// So the header is read apart, into a struct that stays.
class MemberInflater {
  public:
    MemberInflater() {
        isal_inflate_init(&state_);
        restart();
    }

    struct Step {
        std::size_t produced_bytes = 0;
        /// The input is used up and all that it gives was given.
        bool starved = false;
    };

    /// Nothing of the next member was seen yet.
    bool between_members() const { return phase_ == Phase::between; }

    void restart() {
        isal_inflate_reset(&state_);
        state_.crc_flag = ISAL_GZIP_NO_HDR_VER;
        isal_gzip_header_init(&header_);
        phase_ = Phase::between;
    }

    /// Takes a prefix of `compressed` and fills a prefix of `out` (not empty). Stops at the end of
    /// a member.
    Result<Step> step(ByteView& compressed, MutableByteView out) {
        ASSERT(!out.empty());
        if (phase_ == Phase::between) {
            if (compressed.empty()) {
                return Step{.starved = true};
            }
            phase_ = Phase::header;
        }
        if (phase_ == Phase::header) {
            TRY(bool complete, read_header(compressed));
            if (!complete) {
                return Step{.starved = true};
            }
            phase_ = Phase::body;
        }
        return inflate(compressed, out);
    }

  private:
    enum class Phase { between, header, body };

    void lend(ByteView compressed) {
        // ISA-L reads through this pointer only; its interface predates const.
        state_.next_in = reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(compressed.data()));
        state_.avail_in = static_cast<std::uint32_t>(std::min(compressed.size(), kCallBytesMax));
    }

    /// What a call of ISA-L left of `compressed`; returns how much it took. Not to be asked after
    /// an error: its counters may then say more than was lent, or less than nothing.
    Result<std::size_t> take_back(ByteView& compressed) {
        const std::size_t lent = std::min(compressed.size(), kCallBytesMax);
        if (state_.avail_in > lent) {
            return fail(cannot_inflate(ISAL_INVALID_BLOCK));
        }
        const std::size_t taken = lent - state_.avail_in;
        compressed = compressed.subspan(taken);
        return taken;
    }

    /// False: the header goes on behind `compressed`.
    Result<bool> read_header(ByteView& compressed) {
        lend(compressed);
        const int outcome = isal_read_gzip_header(&state_, &header_);
        if (outcome != ISAL_DECOMP_OK && outcome != ISAL_END_INPUT) {
            return fail(cannot_inflate(outcome));
        }
        CHECK_OK(take_back(compressed));
        if (outcome == ISAL_END_INPUT && !compressed.empty()) {
            return fail(cannot_inflate(ISAL_INVALID_WRAPPER));
        }
        return outcome == ISAL_DECOMP_OK;
    }

    Result<Step> inflate(ByteView& compressed, MutableByteView out) {
        lend(compressed);
        const std::size_t room = std::min(out.size(), kCallBytesMax);
        state_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
        state_.avail_out = static_cast<std::uint32_t>(room);
        const int outcome = isal_inflate(&state_);
        if (outcome != ISAL_DECOMP_OK) {
            return fail(cannot_inflate(outcome));
        }
        TRY(std::size_t taken_bytes, take_back(compressed));
        Step step{.produced_bytes = room - state_.avail_out};
        if (state_.block_state == ISAL_BLOCK_FINISH) {
            restart();
            return step;
        }
        step.starved = taken_bytes == 0 && step.produced_bytes == 0;
        if (step.starved && !compressed.empty()) {
            return fail(cannot_inflate(ISAL_INVALID_BLOCK));
        }
        return step;
    }

    Phase phase_ = Phase::between;
    isal_gzip_header header_;
    inflate_state state_;
};

GzipSource::GzipSource(ByteSource& compressed, std::uint64_t output_bytes_max)
    : source_(compressed),
      inflater_(std::make_unique<MemberInflater>()),
      buffer_(kInputBytes),
      output_bytes_max_(output_bytes_max) {}
GzipSource::~GzipSource() = default;

Result<void> GzipSource::refill() {
    TRY(std::size_t count, source_.read(buffer_));
    unread_ = ByteView{buffer_}.first(count);
    source_ended_ = count == 0;
    return {};
}

Result<std::size_t> GzipSource::read(MutableByteView out) {
    while (true) {
        if (unread_.empty() && !source_ended_) {
            CHECK_OK(refill());
        }
        const std::size_t available_bytes = unread_.size();
        TRY(MemberInflater::Step step, inflater_->step(unread_, out));
        compressed_bytes_ += available_bytes - unread_.size();
        if (step.produced_bytes > 0) {
            if (step.produced_bytes > output_bytes_max_ - output_bytes_) {
                return fail(past_limit(output_bytes_max_));
            }
            output_bytes_ += step.produced_bytes;
            return step.produced_bytes;
        }
        if (step.starved && source_ended_) {
            if (!inflater_->between_members() || compressed_bytes_ == 0) {
                return fail(truncated());
            }
            return 0;
        }
    }
}

GzipStream::GzipStream(GzipStreamOptions options)
    : options_(std::move(options)),
      inflater_(std::make_unique<MemberInflater>()),
      buffer_(kOutputBytes) {}
GzipStream::~GzipStream() = default;

Result<void> GzipStream::push(ByteView compressed, ByteSink& out) {
    while (true) {
        if (inflater_->between_members() && !compressed.empty() && options_.on_member) {
            CHECK_OK(options_.on_member(compressed_bytes_));
        }
        const std::size_t available_bytes = compressed.size();
        TRY(MemberInflater::Step step, inflater_->step(compressed, buffer_));
        compressed_bytes_ += available_bytes - compressed.size();
        if (step.starved) {
            return {};
        }
        if (step.produced_bytes > options_.output_bytes_max - output_bytes_) {
            return fail(past_limit(options_.output_bytes_max));
        }
        output_bytes_ += step.produced_bytes;
        if (step.produced_bytes > 0) {
            CHECK_OK(out.write(ByteView{buffer_}.first(step.produced_bytes)));
        }
    }
}

Result<void> GzipStream::finish() {
    if (!inflater_->between_members() || compressed_bytes_ == 0) {
        return fail(truncated());
    }
    return {};
}

Inflater::Inflater() : inflater_(std::make_unique<MemberInflater>()) {}
Inflater::~Inflater() = default;

Result<void> Inflater::inflate_range(ByteView compressed, std::uint64_t skip_bytes,
                                     MutableByteView out) {
    inflater_->restart();
    if (skip_bytes > 0 && discarded_.empty()) {
        discarded_.resize(kOutputBytes);
    }
    while (skip_bytes > 0 || !out.empty()) {
        const bool skipping = skip_bytes > 0;
        const std::size_t skip_now =
            static_cast<std::size_t>(std::min<std::uint64_t>(skip_bytes, kOutputBytes));
        TRY(MemberInflater::Step step,
            inflater_->step(compressed,
                            skipping ? MutableByteView{discarded_}.first(skip_now) : out));
        if (step.starved) {
            return fail(corrupt("gzip: the member holds fewer bytes than its index says"));
        }
        if (skipping) {
            skip_bytes -= step.produced_bytes;
        } else {
            out = out.subspan(step.produced_bytes);
        }
    }
    return {};
}

}  // namespace lazybuild::codec
