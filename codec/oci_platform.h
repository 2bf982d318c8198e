// SPDX-License-Identifier: Apache-2.0
// The platform that an image is for, as indexes and configs name it and as users type it.
//
// Sources: OCI image-spec v1.1 image-index.md "platform"; containerd's platforms package for
// normalisation ("x86_64" is amd64, arm64 is arm64/v8, arm is arm/v7) and for which variants a
// host also runs.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lazybuild::codec {

struct Platform {
    std::string os;
    std::string architecture;
    std::string variant;
    std::string os_version;

    /// "os/architecture[/variant]", or an architecture alone for linux; normalised.
    /// Errors: invalid_argument, naming `text`.
    static Result<Platform> parse(std::string_view text);

    /// With the usual spelling of architecture and variant.
    Platform normalised() const;
    std::string text() const;
    auto operator<=>(const Platform&) const = default;
};

/// The platform that this program was built for, which is the host's.
Platform host_platform();

/// How well an image for `offered` serves `wanted`: 0 not at all, else greater is better. A wanted
/// arm variant also takes lower ones (arm/v7 takes v6), as the processors do.
int platform_match(const Platform& wanted, const Platform& offered);

}  // namespace lazybuild::codec
