// SPDX-License-Identifier: Apache-2.0
// gzip (RFC 1952) over ISA-L: in order from a source, in order as pieces arrive, one range of one
// member, and writing members whose places the caller wants to know.
//
// A layer is a run of gzip members, which a reader sees as one stream. As in Go's compress/gzip,
// which containerd unpacks layers with, whatever follows a member is either another member or an
// error, and an empty input is an error. Members may carry any header fields.
//
// Errors: bad_message for input that is not gzip, is cut off, or fails its CRC-32 or its length;
// over_limit past `output_bytes_max`; those of the source or sink, unchanged. After an Error the
// object is of no further use. Threads: one caller at a time.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"

namespace lazybuild::codec {

inline constexpr std::uint64_t kNoOutputLimit = std::numeric_limits<std::uint64_t>::max();

/// Deflate cannot say more than 258 bytes in two bits: output is less than this times the input.
inline constexpr std::uint64_t kDeflateRatioMax = 1032;

class MemberInflater;

/// The uncompressed bytes of all members of `compressed`, which outlives it.
class GzipSource final : public ByteSource {
  public:
    explicit GzipSource(ByteSource& compressed, std::uint64_t output_bytes_max = kNoOutputLimit);
    ~GzipSource() override;

    Result<std::size_t> read(MutableByteView out) override;

    /// Of the members so far; after the end, the size of the whole compressed input.
    std::uint64_t compressed_bytes() const { return compressed_bytes_; }

  private:
    Result<void> refill();

    ByteSource& source_;
    std::unique_ptr<MemberInflater> inflater_;
    Bytes buffer_;
    ByteView unread_;
    std::uint64_t compressed_bytes_ = 0;
    std::uint64_t output_bytes_ = 0;
    std::uint64_t output_bytes_max_;
    bool source_ended_ = false;
};

struct GzipStreamOptions {
    std::uint64_t output_bytes_max = kNoOutputLimit;
    /// Called before the first output byte of each member, with the place of its first byte in the
    /// compressed stream: how a reader of a whole blob knows which chunk it is in.
    std::function<Result<void>(std::uint64_t compressed_offset_bytes)> on_member;
};

/// The same for compressed bytes that arrive in pieces, cut anywhere.
class GzipStream {
  public:
    explicit GzipStream(GzipStreamOptions options = {});
    ~GzipStream();

    /// Writes to `out` all that `compressed` gives, in pieces of bounded size.
    Result<void> push(ByteView compressed, ByteSink& out);
    /// The input has ended. Errors: bad_message when that was not at the end of a member.
    Result<void> finish();

    std::uint64_t compressed_bytes() const { return compressed_bytes_; }
    std::uint64_t output_bytes() const { return output_bytes_; }

  private:
    GzipStreamOptions options_;
    std::unique_ptr<MemberInflater> inflater_;
    Bytes buffer_;
    std::uint64_t compressed_bytes_ = 0;
    std::uint64_t output_bytes_ = 0;
};

/// Reads ranges of members at known places. Keeps its tables (some 100 KiB) from call to call.
class Inflater {
  public:
    Inflater();
    ~Inflater();

    /// Fills `out` with the uncompressed bytes [skip_bytes, skip_bytes + out.size()), counted from
    /// the member that starts at compressed[0]. Stops there: `compressed` may be cut off behind
    /// them, or go on with other members. Bytes are only as good as their digest, which the caller
    /// checks: the member's own CRC lies behind what is read here.
    /// Errors: bad_message also when `compressed` holds fewer bytes than that.
    Result<void> inflate_range(ByteView compressed, std::uint64_t skip_bytes, MutableByteView out);

  private:
    std::unique_ptr<MemberInflater> inflater_;
    Bytes discarded_;
};

/// What every member that we write starts with (RFC 1952, 2.3): deflate, no flags, no time, no
/// hint, unknown operating system.
inline constexpr std::array<std::byte, 10> kMemberHeader{
    std::byte{0x1f}, std::byte{0x8b}, std::byte{8}, std::byte{0}, std::byte{0},
    std::byte{0},    std::byte{0},    std::byte{0}, std::byte{0}, std::byte{0xff}};

inline constexpr int kGzipLevelMin = 0;
inline constexpr int kGzipLevelMax = 3;

/// Writes members to `out`, which outlives it. Equal input gives equal output, however the calls to
/// write() cut it (for one version of ISA-L on one kind of CPU: it picks its matchers by CPU).
/// Whole members, at more levels: MemberCompressor.
class GzipWriter final : public ByteSink {
  public:
    /// `level`: kGzipLevelMin (fastest, and the only one that makes noise a quarter larger) to
    /// kGzipLevelMax (smallest).
    GzipWriter(ByteSink& out, int level);
    ~GzipWriter() override;

    /// Not inside a member.
    Result<void> start_member();
    /// Inside a member.
    Result<void> write(ByteView bytes) override;
    /// Inside a member: all of it is in `out` afterwards.
    Result<void> end_member();

    bool in_member() const { return in_member_; }
    /// Written to `out` so far; exact between members.
    std::uint64_t compressed_bytes() const { return compressed_bytes_; }

  private:
    struct Deflater;
    enum class Last : bool { no, yes };
    Result<void> deflate(ByteView input, Last last);
    Result<void> emit(ByteView bytes);

    ByteSink& out_;
    std::unique_ptr<Deflater> deflater_;
    Bytes input_;
    std::uint64_t compressed_bytes_ = 0;
    bool in_member_ = false;
};

}  // namespace lazybuild::codec
