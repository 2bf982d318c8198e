// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/open_command.h"

#include <utility>

#include "builder/image/open_image.h"

namespace lazybuild::cli {

std::expected<Transfer, ExitCode> open_transfer(const std::string& source,
                                                const std::string& target,
                                                const image::RegistryFlags& flags,
                                                image::Console& console, std::string_view command,
                                                std::size_t jobs) {
    const auto from = image::ImagePlace::parse(source);
    if (!from) {
        return std::unexpected(report_usage(console, command, from.error()));
    }
    const auto to = image::ImagePlace::parse_target(target);
    if (!to) {
        return std::unexpected(report_usage(console, command, to.error()));
    }
    if (const auto options = image::client_options(flags); !options) {
        return std::unexpected(report_usage(console, command, options.error()));
    }
    Transfer transfer;
    auto session = image::Session::open(flags, console, jobs);
    if (!session) {
        return std::unexpected(report_failure(console, command, session.error()));
    }
    transfer.session = *std::move(session);
    auto opened_source = image::open_source(*from, *transfer.session);
    if (!opened_source) {
        return std::unexpected(report_failure(console, command, opened_source.error()));
    }
    transfer.source = *std::move(opened_source);
    auto opened_target = image::open_target(*to, *transfer.session);
    if (!opened_target) {
        return std::unexpected(report_failure(console, command, opened_target.error()));
    }
    transfer.target = *std::move(opened_target);
    return transfer;
}

std::expected<Reading, ExitCode> open_reading(const std::string& image, const std::string& platform,
                                              const image::RegistryFlags& flags,
                                              image::Console& console, std::string_view command) {
    auto parsed = image::parse_platform(platform);
    if (!parsed) {
        return std::unexpected(report_usage(console, command, parsed.error()));
    }
    const auto place = image::ImagePlace::parse(image);
    if (!place) {
        return std::unexpected(report_usage(console, command, place.error()));
    }
    if (const auto options = image::client_options(flags); !options) {
        return std::unexpected(report_usage(console, command, options.error()));
    }
    Reading reading{.platform = *std::move(parsed), .session = {}, .source = {}};
    auto session = image::Session::open(flags, console);
    if (!session) {
        return std::unexpected(report_failure(console, command, session.error()));
    }
    reading.session = *std::move(session);
    auto source = image::open_source(*place, *reading.session);
    if (!source) {
        return std::unexpected(report_failure(console, command, source.error()));
    }
    reading.source = *std::move(source);
    return reading;
}

}  // namespace lazybuild::cli
