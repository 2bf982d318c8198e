// SPDX-License-Identifier: Apache-2.0
// The most memory that this process had resident since a moment, over what it had then.
#pragma once

#include <cstdint>

namespace lazybuild::bench {

class PeakMemory {
  public:
    /// From now on. (proc(5): writing 5 to clear_refs resets the peak.)
    PeakMemory();
    /// 0 where the kernel does not let the peak be reset.
    double mib() const;

  private:
    std::uint64_t before_kib_ = 0;
    bool reset_ = false;
};

}  // namespace lazybuild::bench
