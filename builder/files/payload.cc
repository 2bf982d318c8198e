// SPDX-License-Identifier: Apache-2.0
#include "builder/files/payload.h"

#include <fmt/format.h>

#include <algorithm>

namespace lazybuild::files {
namespace {

constexpr std::size_t kReadBytes = 256 << 10;

}  // namespace

Result<codec::Digest> digest_of(ByteSource& source) {
    codec::Sha256 hash;
    Bytes buffer(kReadBytes);
    while (true) {
        TRY(const std::size_t count, source.read(buffer));
        if (count == 0) {
            return hash.finish();
        }
        hash.update(ByteView{buffer}.first(count));
    }
}

Error content_differs(std::string_view path, const codec::Digest& found,
                      const codec::Digest& expected) {
    return corrupt(fmt::format(
        "\"/{}\": its bytes hash to {}, and not to {} as they did before, or as its image says; if "
        "something writes to the file, build again when that has ended",
        path, found.text(), expected.text()));
}

Result<std::size_t> SpoolSource::read(MutableByteView out) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), rest_bytes_));
    if (wanted == 0) {
        return std::size_t{0};
    }
    TRY(const std::size_t count, pread_full(file_->get(), out.first(wanted), offset_bytes_));
    if (count < wanted) {
        return fail(corrupt("a temporary file ends before it should"));
    }
    offset_bytes_ += count;
    rest_bytes_ -= count;
    return count;
}

Result<std::size_t> FileContent::read(MutableByteView out) {
    TRY(const std::size_t count, pread_full(file_.get(), out, offset_bytes_));
    offset_bytes_ += count;
    return count;
}

Result<std::size_t> HashingSource::read(MutableByteView out) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), rest_bytes_));
    if (wanted == 0) {
        return std::size_t{0};
    }
    TRY(const std::size_t count, source_.read(out.first(wanted)));
    hash_.update(out.first(count));
    rest_bytes_ -= count;
    return count;
}

Result<codec::Digest> HashingSource::finish() {
    // Mostly nothing is left; clearing a buffer of full size for each small file would cost more
    // than copying them.
    Bytes buffer(std::min<std::uint64_t>(kReadBytes, rest_bytes_));
    while (rest_bytes_ > 0) {
        TRY(const std::size_t count, read(buffer));
        if (count == 0) {
            break;  // it is shorter than it should be, and hashes to something else
        }
    }
    return hash_.finish();
}

}  // namespace lazybuild::files
