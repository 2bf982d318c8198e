// SPDX-License-Identifier: Apache-2.0
// Descriptor: what a manifest or an index says about a blob.
//
// Source: OCI image-spec v1.1 descriptor.md. Docker's documents use the same members.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "codec/digest.h"
#include "codec/json.h"
#include "codec/oci_platform.h"

namespace lazybuild::codec {

/// No blob of an image is greater than this; sums of sizes then cannot overflow.
inline constexpr std::uint64_t kBlobBytesMax = std::uint64_t{1} << 50;

/// A value: change its members and write it; members that are not listed here are kept in
/// `original` and written again at their places.
struct Descriptor {
    std::string media_type;
    Digest digest;
    std::uint64_t size_bytes = 0;
    StringMap annotations;
    std::optional<Platform> platform;
    std::string artifact_type;

    std::string original;  ///< the JSON that this was read from; "" when it was made here

    /// Errors: bad_message, naming the member, for what is missing, negative or no digest.
    static Result<Descriptor> parse(const JsonPlace& place);
    Json json() const;

    /// The same descriptor for other bytes: what described the old ones (`urls`, `data`) is gone.
    Descriptor with_content(std::string new_type, const Digest& new_digest,
                            std::uint64_t new_size_bytes) const;
};

/// BuildKit's attestations stand in an index as manifests for "unknown/unknown".
bool is_attestation(const Descriptor& manifest);

}  // namespace lazybuild::codec
