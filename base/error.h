// SPDX-License-Identifier: Apache-2.0
// What every function that can fail returns when it fails: a condition that code can branch on, and
// a sentence that a person can act on ("what failed, on which input, what to do").
//
// The conditions are std::errc, because they already exist, map to errno for FUSE without a table,
// and are mapped once each to gRPC status codes and exit codes at the outer boundaries.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace lazybuild {

/// A failure. Value type; cheap to move.
struct [[nodiscard]] Error {
    std::errc code{};
    std::string message;

    /// The same failure, seen from one level further out: "layer sha256:…: " + message.
    Error context(std::string_view what) &&;
    Error context(std::string_view what) const&;
};

/// `errno` (or `error_number`) as an Error: "open /a/b: No such file or directory".
Error errno_error(std::string_view what, int error_number = errno);

/// Shorthand for the conditions that parsers and protocols meet.
/// bad_message: bytes from outside are not what their format says.
Error corrupt(std::string message);
/// argument_out_of_domain: bytes from outside go past a limit of ours.
Error over_limit(std::string message);
/// invalid_argument: a caller, a user or a configuration asked for what makes no sense.
Error invalid(std::string message);

}  // namespace lazybuild
