// SPDX-License-Identifier: Apache-2.0
// What a keeper and its clients say to each other: one message of at most kMessageBytesMax bytes
// and kDescriptorsMax descriptors (SCM_RIGHTS) on a Unix SOCK_SEQPACKET socket. A client asks, the
// keeper answers each question once, in order.
//
//   offset  size
//        0     4  "LZKP"
//        4     2  version, kVersion; any other is refused
//        6     2  kind
//        8     4  errno of an answer, 0 for success; 0 in questions
//       12     4  0
//       16     n  name, no NUL; of answers empty
//
// Integers are little-endian. Everything that comes in is checked: the keeper must outlive whatever
// its clients have become.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace lazybuild::keeper {

inline constexpr std::uint16_t kVersion = 1;
inline constexpr std::size_t kNameBytesMax = 1024;
inline constexpr std::size_t kDescriptorsMax = 4;
inline constexpr std::size_t kHeaderBytes = 16;
inline constexpr std::size_t kMessageBytesMax = kHeaderBytes + kNameBytesMax;

enum class Kind : std::uint16_t {
    take = 1,    ///< answered with duplicates of what is kept under the name; ENOENT: nothing
    put = 2,     ///< with 1 to kDescriptorsMax descriptors, in place of what was kept
    drop = 3,    ///< closes what is kept under the name; nothing being there is fine
    answer = 4,  ///< from the keeper
};

struct Message {
    Kind kind{};
    int errno_value = 0;
    std::string name;
    std::vector<Fd> descriptors;
};

/// What is sent: as Message, with borrowed descriptors.
struct Outgoing {
    Kind kind{};
    int errno_value = 0;
    std::string_view name;
    std::span<const int> descriptors;
};

/// Sends one message. Errors: those of sendmsg(2); over_limit for a name or a number of descriptors
/// past the limits.
Result<void> send_message(int socket, const Outgoing& message);

/// The next message; nullopt at the end of the connection. Descriptors are close-on-exec, and are
/// closed when the message is refused. Errors: bad_message for what is not one; those of
/// recvmsg(2).
Result<std::optional<Message>> receive_message(int socket);

}  // namespace lazybuild::keeper
