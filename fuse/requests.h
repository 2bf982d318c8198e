// SPDX-License-Identifier: Apache-2.0
// Requests as the kernel writes them to /dev/fuse, decoded and checked. No I/O here: the fuzzer
// feeds it too.
//
// Source: the kernel's FUSE protocol 7.31 and later, linux/fuse.h; structures are native-endian.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "base/result.h"

namespace lazybuild::fuse {

/// The kernel refuses reads into smaller buffers (FUSE_MIN_READ_BUFFER); nothing that a read-only
/// mount can be sent is near it.
inline constexpr std::size_t kRequestBytesMax = 64 << 10;

/// Newer than the headers of Debian 12 (linux/fuse.h of Linux 6.9, protocol 7.40).
inline constexpr std::uint64_t kFuseHasResend = std::uint64_t{1} << 39;
inline constexpr int kFuseNotifyResend = 7;
/// Set in `unique` of a request that was sent again; its answer has to have it too.
inline constexpr std::uint64_t kFuseUniqueResend = std::uint64_t{1} << 63;

struct InitRequest {
    std::uint32_t major = 0, minor = 0;
    std::uint32_t max_readahead_bytes = 0;
    std::uint64_t flags = 0;  ///< FUSE_* capabilities that the kernel offers
};
struct LookupRequest {
    std::string_view name;  ///< borrowed from the request; any bytes but NUL
};
struct GetAttributesRequest {};
struct OpenRequest {
    std::uint32_t flags = 0;  ///< O_*
    bool directory = false;
};
struct ReadRequest {
    std::uint64_t offset_bytes = 0;  ///< of a directory: a cookie of ours
    std::uint32_t size_bytes = 0;
    bool directory = false;
};
struct ReleaseRequest {};  ///< of files and directories
struct StatfsRequest {};
struct ForgetRequest {};  ///< FORGET, BATCH_FORGET: nobody waits for an answer
struct DestroyRequest {};
/// Everything that read-only disks have no answer to: ENOSYS. The kernel then does without, and for
/// FLUSH, ACCESS and INTERRUPT it does not ask again.
struct OtherRequest {};

using RequestBody =
    std::variant<InitRequest, LookupRequest, GetAttributesRequest, OpenRequest, ReadRequest,
                 ReleaseRequest, StatfsRequest, ForgetRequest, DestroyRequest, OtherRequest>;

struct Request {
    std::uint64_t unique = 0;  ///< names the request in its answer
    std::uint64_t node = 0;
    RequestBody body;
};

/// The header's `unique`, to refuse a request with that decode_request does not like.
std::optional<std::uint64_t> request_unique(ByteView bytes);

/// Decodes one whole request, as one read of /dev/fuse returns it.
/// Errors: bad_message.
Result<Request> decode_request(ByteView bytes);

}  // namespace lazybuild::fuse
