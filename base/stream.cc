// SPDX-License-Identifier: Apache-2.0
#include "base/stream.h"

#include <algorithm>

namespace lazybuild {

Result<std::size_t> read_full(ByteSource& source, MutableByteView out) {
    std::size_t filled = 0;
    while (filled < out.size()) {
        TRY(std::size_t count, source.read(out.subspan(filled)));
        if (count == 0) {
            break;
        }
        filled += count;
    }
    return filled;
}

Result<std::size_t> MemorySource::read(MutableByteView out) {
    const std::size_t count = std::min(out.size(), rest_.size());
    std::copy_n(rest_.begin(), count, out.begin());
    rest_ = rest_.subspan(count);
    return count;
}

Result<void> MemorySink::write(ByteView bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return {};
}

Result<void> MemoryAccess::read_at(std::uint64_t offset_bytes, MutableByteView out) const {
    if (offset_bytes > bytes_.size() || bytes_.size() - offset_bytes < out.size()) {
        return fail(corrupt("read past the end of the data"));
    }
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset_bytes), out.size(),
                out.begin());
    return {};
}

}  // namespace lazybuild
