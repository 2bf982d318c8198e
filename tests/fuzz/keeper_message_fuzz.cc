// SPDX-License-Identifier: Apache-2.0
// Any bytes as a message to the keeper, over a real socket: refused, or a message that comes out
// the same when it is sent again.
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstdlib>

#include "base/fd.h"
#include "keeper/message.h"

namespace {

using lazybuild::Fd;
namespace keeper = lazybuild::keeper;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::array<int, 2> numbers{};
    require(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, numbers.data()) == 0);
    const Fd ours{numbers[0]};
    const Fd theirs{numbers[1]};
    if (::send(ours.get(), data, size, MSG_DONTWAIT) < 0) {
        return 0;  // larger than a socket takes
    }
    const auto message = keeper::receive_message(theirs.get());
    if (!message || !*message) {
        return 0;
    }
    require((*message)->name.size() <= keeper::kNameBytesMax && (*message)->descriptors.empty());
    require(keeper::send_message(ours.get(), {.kind = (*message)->kind,
                                              .errno_value = (*message)->errno_value,
                                              .name = (*message)->name,
                                              .descriptors = {}})
                .has_value());
    const auto again = keeper::receive_message(theirs.get());
    require(again && *again && (*again)->kind == (*message)->kind &&
            (*again)->name == (*message)->name && (*again)->errno_value == (*message)->errno_value);
    return 0;
}
