// SPDX-License-Identifier: Apache-2.0
// Whole gzip members at every level: ISA-L at 0 to 3 (fast), libdeflate at 4 to 12 (small).
// For a member whose bytes are all at hand; GzipWriter is for one that arrives in pieces.
//
// Equal text gives equal bytes (for one version of the libraries; ISA-L also for one kind of CPU).
// Every member starts 1f 8b 08 00 00 00 00 00 00 ff: no name, no time, unknown system.
#pragma once

#include <memory>

#include "base/bytes.h"

namespace lazybuild::codec {

inline constexpr int kMemberLevelMin = 0;
inline constexpr int kMemberLevelMax = 12;
/// The fastest at which a Debian image with Python, as eStargz, is less than 8 % larger than its
/// tars at zlib's level 9 (6.7 %; level 4: 9.2 %, level 3: 18 %).
inline constexpr int kMemberLevelDefault = 5;

/// Keeps its tables, and room for the largest member so far, from call to call.
/// Threads: one at a time.
class MemberCompressor {
  public:
    enum class Portable : bool { no, yes };
    /// `level`: kMemberLevelMin to kMemberLevelMax. Portable: libdeflate at every level, so that
    /// the bytes do not depend on the CPU.
    explicit MemberCompressor(int level, Portable portable = Portable::no);
    ~MemberCompressor();
    MemberCompressor(const MemberCompressor&) = delete;
    MemberCompressor& operator=(const MemberCompressor&) = delete;

    /// Appends to `out` one member that holds `text`, less than 4 GiB.
    void append(ByteView text, Bytes& out);

  private:
    struct Fast;
    struct Small;
    std::unique_ptr<Fast> fast_;  // exactly one of these two
    std::unique_ptr<Small> small_;
};

}  // namespace lazybuild::codec
