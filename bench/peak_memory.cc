// SPDX-License-Identifier: Apache-2.0
#include "bench/peak_memory.h"

#include <malloc.h>

#include <fstream>
#include <string>

namespace lazybuild::bench {
namespace {

constexpr double kKibPerMib = 1024;

/// A line "name: 1234 kB" of /proc/self/status.
std::uint64_t status_kib(const std::string& name) {
    std::ifstream status{"/proc/self/status"};
    std::string word;
    std::uint64_t kib = 0;
    while (status >> word && word != name + ":") {
    }
    status >> kib;
    return kib;
}

}  // namespace

PeakMemory::PeakMemory() {
    // What was freed before is not to be had again unseen.
    ::malloc_trim(0);
    std::ofstream clear{"/proc/self/clear_refs"};
    clear << '5' << std::flush;
    reset_ = clear.good();
    before_kib_ = status_kib("VmRSS");
}

double PeakMemory::mib() const {
    const std::uint64_t peak_kib = status_kib("VmHWM");
    return reset_ && peak_kib > before_kib_
               ? static_cast<double>(peak_kib - before_kib_) / kKibPerMib
               : 0;
}

}  // namespace lazybuild::bench
