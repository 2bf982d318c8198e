// SPDX-License-Identifier: Apache-2.0
// Headers are read by a TarReader over the bytes that are here. When it wants more, what it read is
// kept and read again together with the next piece: that happens once a piece, not once an entry.
#include "codec/tar_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace lazybuild::codec {
namespace {

/// Says that it has no more for now, which nothing else says to a TarReader.
class PieceSource final : public ByteSource {
  public:
    PieceSource(ByteView bytes, bool more) : rest_(bytes), more_(more) {}

    Result<std::size_t> read(MutableByteView out) override {
        if (rest_.empty() && more_) {
            return fail(Error{.code = std::errc::operation_would_block, .message = {}});
        }
        const std::size_t count = std::min(out.size(), rest_.size());
        std::copy_n(rest_.begin(), count, out.begin());
        rest_ = rest_.subspan(count);
        return count;
    }

  private:
    ByteView rest_;
    bool more_;
};

}  // namespace

/// The next entry, or the end, from the front of `bytes`. False: they hold less than all of it.
Result<bool> TarStream::take_header(ByteView bytes, MoreToCome more) {
    PieceSource source(bytes, more == MoreToCome::yes);
    TarReader reader(source);
    auto entry = reader.next();
    if (!entry && entry.error().code == std::errc::operation_would_block) {
        if (bytes.size() > kTarHeadersBytesMax) {
            return fail(
                over_limit(fmt::format("tar entry at byte {}: headers of more than {} bytes",
                                       offset_bytes_, kTarHeadersBytesMax)));
        }
        return false;
    }
    if (!entry) {
        return fail(
            std::move(entry).error().context(fmt::format("from byte {} on", offset_bytes_)));
    }
    taken_bytes_ = reader.offset_bytes();
    offset_bytes_ += taken_bytes_;
    if (!*entry) {
        ended_ = true;
        CHECK_OK(visitor_.other(bytes.first(taken_bytes_)));
        return true;
    }
    TarEntry found = **std::move(entry);
    const std::size_t begin = found.header_offset_bytes;
    if (begin > 0) {
        CHECK_OK(visitor_.other(bytes.first(begin)));
    }
    const ByteView header = bytes.first(taken_bytes_).subspan(begin);
    found.header_offset_bytes = offset_bytes_ - header.size();
    found.payload_offset_bytes = offset_bytes_;
    payload_bytes_ = found.entry.size_bytes;
    padding_bytes_ = tar_padding(payload_bytes_).size();
    CHECK_OK(visitor_.entry(std::move(found), header));
    return true;
}

Result<void> TarStream::take_body(ByteView& bytes) {
    const ByteView payload = bytes.first(std::min<std::uint64_t>(bytes.size(), payload_bytes_));
    if (!payload.empty()) {
        CHECK_OK(visitor_.payload(payload));
    }
    bytes = bytes.subspan(payload.size());
    payload_bytes_ -= payload.size();
    const ByteView padding = bytes.first(std::min<std::uint64_t>(bytes.size(), padding_bytes_));
    if (!padding.empty()) {
        CHECK_OK(visitor_.padding(padding));
    }
    bytes = bytes.subspan(padding.size());
    padding_bytes_ -= padding.size();
    offset_bytes_ += payload.size() + padding.size();
    return {};
}

/// The entry whose header began in an earlier piece.
Result<bool> TarStream::take_pending(MoreToCome more) {
    Bytes pending = std::move(pending_);
    TRY(const bool whole, take_header(pending, more));
    if (!whole) {
        pending_ = std::move(pending);
        return false;
    }
    // What follows the header came with it; it was cut off no later than there.
    const ByteView rest = ByteView{pending}.subspan(taken_bytes_);
    CHECK_OK(push(rest));
    return true;
}

Result<void> TarStream::push(ByteView bytes) {
    if (!pending_.empty()) {
        pending_.insert(pending_.end(), bytes.begin(), bytes.end());
        TRY([[maybe_unused]] const bool whole, take_pending(MoreToCome::yes));
        return {};
    }
    while (!bytes.empty()) {
        if (ended_) {
            offset_bytes_ += bytes.size();
            return visitor_.other(bytes);
        }
        CHECK_OK(take_body(bytes));
        if (bytes.empty()) {
            break;
        }
        TRY(const bool whole, take_header(bytes, MoreToCome::yes));
        if (!whole) {
            pending_.assign(bytes.begin(), bytes.end());
            break;
        }
        bytes = bytes.subspan(taken_bytes_);
    }
    return {};
}

Result<void> TarStream::finish() {
    if (payload_bytes_ > 0) {
        return fail(
            corrupt(fmt::format("the tar ends at byte {}, inside a payload", offset_bytes_)));
    }
    if (!ended_ && padding_bytes_ == 0) {
        TRY([[maybe_unused]] const bool whole, take_pending(MoreToCome::no));
        if (payload_bytes_ > 0) {
            return fail(
                corrupt(fmt::format("the tar ends at byte {}, inside a payload", offset_bytes_)));
        }
    }
    return {};
}

}  // namespace lazybuild::codec
