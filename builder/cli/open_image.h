// SPDX-License-Identifier: Apache-2.0
// From places, as users write them, to sources and targets.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "builder/cli/console.h"
#include "builder/cli/image_place.h"
#include "builder/cli/image_source.h"
#include "builder/cli/image_target.h"
#include "builder/cli/session.h"
#include "codec/oci_platform.h"

namespace lazybuild::cli {

/// Errors: those of opening a layout or unpacking an archive.
Result<std::unique_ptr<ImageSource>> open_source(const ImagePlace& place, Session& session);
/// `place` is from parse_target. Errors: those of making a layout.
Result<std::unique_ptr<ImageTarget>> open_target(const ImagePlace& place, Session& session);

/// What a command from SRC to DST works with.
struct Transfer {
    std::unique_ptr<Session> session;
    std::unique_ptr<ImageSource> source;
    std::unique_ptr<ImageTarget> target;
};

/// `jobs` as Session::open. Opens all three, or reports what is wrong as `command` and gives the
/// exit code.
std::expected<Transfer, ExitCode> open_transfer(const std::string& source,
                                                const std::string& target,
                                                const RegistryFlags& flags, Console& console,
                                                std::string_view command, std::size_t jobs = 0);

/// What a command that reads one image works with.
struct Reading {
    std::optional<codec::Platform> platform;  ///< as parse_platform
    std::unique_ptr<Session> session;
    std::unique_ptr<ImageSource> source;
};

/// Opens the image, or reports what is wrong as `command` and gives the exit code.
std::expected<Reading, ExitCode> open_reading(const std::string& image, const std::string& platform,
                                              const RegistryFlags& flags, Console& console,
                                              std::string_view command);

/// --platform: nullopt for "". Errors: invalid_argument.
Result<std::optional<codec::Platform>> parse_platform(const std::string& text);

}  // namespace lazybuild::cli
