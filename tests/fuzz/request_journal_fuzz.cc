// SPDX-License-Identifier: Apache-2.0
// A predecessor's journal with any bytes in its header, slots and landings: refused, or its records
// are within bounds and it can be used.
//
// Input: 40 bytes of header, then 4 slots of 32 bytes, then the beginning of the first landing;
// what is missing stays as a new journal has it.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "base/bytes.h"
#include "base/fd.h"
#include "fuse/request_journal.h"

namespace {

using lazybuild::ByteView;
using lazybuild::Fd;
using lazybuild::fuse::RequestJournal;

constexpr std::uint32_t kSlots = 4;
constexpr std::size_t kHeaderBytes = 40;
constexpr std::size_t kSlotBytes = 32;
constexpr std::uint64_t kSlotsOffset = 4096;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

/// Takes up to `size` bytes off the input and puts them at `offset_bytes`.
void put(int memory, ByteView& input, std::size_t size, std::uint64_t offset_bytes) {
    const ByteView part = input.first(std::min(size, input.size()));
    require(lazybuild::pwrite_all(memory, part, offset_bytes).has_value());
    input = input.subspan(part.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto fresh = RequestJournal::create(kSlots, {.mount_device = 7, .resend = true});
    require(fresh.has_value());
    RequestJournal& journal = **fresh;
    ByteView input = std::as_bytes(std::span{data, size});
    const auto landing_bytes = journal.landing(0).size();
    put(journal.memory(), input, kHeaderBytes, 0);
    put(journal.memory(), input, kSlots * kSlotBytes, kSlotsOffset);
    std::ranges::copy(input.first(std::min(input.size(), landing_bytes)),
                      journal.landing(0).begin());
    const auto next = RequestJournal::open(Fd{::dup(journal.memory())});
    if (!next) {
        return 0;
    }
    const auto unanswered = (*next)->unanswered();
    require(unanswered.size() <= kSlots);
    for (const auto& read : unanswered) {
        require(read.unique != 0);
        (*next)->answered(read.unique);
    }
    for (const auto& request : (*next)->landed()) {
        require(request.size() <= landing_bytes);
    }
    (*next)->clear();
    require((*next)->unanswered().empty() && (*next)->landed().empty());
    require((*next)->reserve().has_value());
    return 0;
}
