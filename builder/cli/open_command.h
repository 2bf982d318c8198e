// SPDX-License-Identifier: Apache-2.0
// What commands on images begin with: from the names on the command line to what is opened.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "builder/cli/process_console.h"
#include "builder/image/image_place.h"
#include "builder/image/image_source.h"
#include "builder/image/image_target.h"
#include "builder/image/session.h"
#include "codec/oci_platform.h"

namespace lazybuild::cli {

/// What a command from SRC to DST works with.
struct Transfer {
    std::unique_ptr<image::Session> session;
    std::unique_ptr<image::ImageSource> source;
    std::unique_ptr<image::ImageTarget> target;
};

/// `jobs` as image::Session::open. Opens all three, or reports what is wrong as `command` and gives
/// the exit code.
std::expected<Transfer, ExitCode> open_transfer(const std::string& source,
                                                const std::string& target,
                                                const image::RegistryFlags& flags,
                                                image::Console& console, std::string_view command,
                                                std::size_t jobs = 0);

/// What a command that reads one image works with.
struct Reading {
    std::optional<codec::Platform> platform;  ///< as image::parse_platform
    std::unique_ptr<image::Session> session;
    std::unique_ptr<image::ImageSource> source;
};

/// Opens the image, or reports what is wrong as `command` and gives the exit code.
std::expected<Reading, ExitCode> open_reading(const std::string& image, const std::string& platform,
                                              const image::RegistryFlags& flags,
                                              image::Console& console, std::string_view command);

}  // namespace lazybuild::cli
