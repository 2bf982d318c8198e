// SPDX-License-Identifier: Apache-2.0
// The value of RUN --mount: one line of CSV, "type=cache,target=/root/.cache,sharing=locked".
//
// Source: the Dockerfile reference, "RUN --mount"; RFC 4180 for the fields.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lazybuild::dockerfile {

struct MountOptions {
    enum class Type : std::uint8_t { bind, cache, tmpfs, secret, ssh };
    enum class Sharing : std::uint8_t { shared, private_, locked };
    Type type = Type::bind;
    std::string from;    ///< stage, context or image; "" for the build context (bind) or nothing
    std::string source;  ///< as written
    std::string target;  ///< as written: may be relative, "" when it was not given
    bool read_only = false;  ///< the type's default counted in
    std::string id;          ///< "" when it was not given
    std::optional<Sharing> sharing;
    std::uint64_t size_bytes = 0;  ///< tmpfs; 0 for no limit
    bool required = false;
    std::optional<std::string> variable;  ///< secret: env=
    std::optional<std::uint32_t> mode, uid, gid;
};

std::string_view name_of(MountOptions::Type type);

/// What becomes of each value before it is looked at; its Error is passed on.
using ExpandWord = std::function<Result<std::string>(std::string_view)>;

/// Errors: invalid_argument, in BuildKit's words.
Result<MountOptions> parse_mount(std::string_view text, const ExpandWord& expand);

/// What can be said before variables have values: the CSV is right, and "from" has no variable.
/// Errors: invalid_argument.
Result<void> check_mount(std::string_view text);

/// The value of "from" before any expansion; "" when there is none. For finding the stages that a
/// RUN needs. Errors: as check_mount.
Result<std::string> mount_from(std::string_view text);

}  // namespace lazybuild::dockerfile
