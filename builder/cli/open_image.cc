// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/open_image.h"

#include <utility>

#include "builder/cli/layout_image.h"
#include "builder/cli/registry_image.h"
#include "builder/cli/unpack_archive.h"

namespace lazybuild::cli {
namespace {

// On the pool, so that the reactor hears of an interrupt meanwhile.
io::Task<Result<OciLayout>> unpack(ImagePlace place, std::string directory, Session& session) {
    const io::CancelToken cancel = session.wait().cancel;
    auto job = [&place, &directory, &cancel] {
        return place.kind == ImagePlace::Kind::docker_archive
                   ? unpack_docker_archive(place.path, place.tag, directory, cancel)
                   : unpack_oci_archive(place.path, directory, cancel);
    };
    co_return co_await io::run_on(session.pool(), session.reactor(), std::move(job));
}

Result<std::unique_ptr<ImageSource>> archive_source(const ImagePlace& place, Session& session) {
    TRY(TemporaryDirectory directory, TemporaryDirectory::create(session.temporary_directory()));
    auto layout = session.run(unpack(place, directory.path(), session));
    if (!layout) {
        return fail(std::move(layout).error().context(place.path));
    }
    // What `docker save` wrote has become one image without a name.
    const bool named = place.kind == ImagePlace::Kind::oci_archive;
    return layout_source(*std::move(layout), named ? place.tag : "", place.text(),
                         std::move(directory), session);
}

}  // namespace

Result<std::unique_ptr<ImageSource>> open_source(const ImagePlace& place, Session& session) {
    if (place.kind == ImagePlace::Kind::registry) {
        return registry_source(place.reference, session);
    }
    if (place.kind == ImagePlace::Kind::oci_layout) {
        TRY(OciLayout layout, OciLayout::open(place.path));
        return layout_source(std::move(layout), place.tag, place.text(), TemporaryDirectory{},
                             session);
    }
    return archive_source(place, session);
}

Result<std::unique_ptr<ImageTarget>> open_target(const ImagePlace& place, Session& session) {
    if (place.kind == ImagePlace::Kind::registry) {
        return registry_target(place.reference, session);
    }
    ASSERT(place.kind == ImagePlace::Kind::oci_layout);
    TRY(OciLayout layout, OciLayout::create(place.path));
    return layout_target(std::move(layout), place.tag, place.text(), session);
}

std::expected<Transfer, ExitCode> open_transfer(const std::string& source,
                                                const std::string& target,
                                                const RegistryFlags& flags, Console& console,
                                                std::string_view command, std::size_t jobs) {
    const auto from = ImagePlace::parse(source);
    if (!from) {
        return std::unexpected(report_usage(console, command, from.error()));
    }
    const auto to = ImagePlace::parse_target(target);
    if (!to) {
        return std::unexpected(report_usage(console, command, to.error()));
    }
    if (const auto options = client_options(flags); !options) {
        return std::unexpected(report_usage(console, command, options.error()));
    }
    Transfer transfer;
    auto session = Session::open(flags, console, jobs);
    if (!session) {
        return std::unexpected(report_failure(console, command, session.error()));
    }
    transfer.session = *std::move(session);
    auto opened_source = open_source(*from, *transfer.session);
    if (!opened_source) {
        return std::unexpected(report_failure(console, command, opened_source.error()));
    }
    transfer.source = *std::move(opened_source);
    auto opened_target = open_target(*to, *transfer.session);
    if (!opened_target) {
        return std::unexpected(report_failure(console, command, opened_target.error()));
    }
    transfer.target = *std::move(opened_target);
    return transfer;
}

std::expected<Reading, ExitCode> open_reading(const std::string& image, const std::string& platform,
                                              const RegistryFlags& flags, Console& console,
                                              std::string_view command) {
    auto parsed = parse_platform(platform);
    if (!parsed) {
        return std::unexpected(report_usage(console, command, parsed.error()));
    }
    const auto place = ImagePlace::parse(image);
    if (!place) {
        return std::unexpected(report_usage(console, command, place.error()));
    }
    if (const auto options = client_options(flags); !options) {
        return std::unexpected(report_usage(console, command, options.error()));
    }
    Reading reading{.platform = *std::move(parsed), .session = {}, .source = {}};
    auto session = Session::open(flags, console);
    if (!session) {
        return std::unexpected(report_failure(console, command, session.error()));
    }
    reading.session = *std::move(session);
    auto source = open_source(*place, *reading.session);
    if (!source) {
        return std::unexpected(report_failure(console, command, source.error()));
    }
    reading.source = *std::move(source);
    return reading;
}

Result<std::optional<codec::Platform>> parse_platform(const std::string& text) {
    if (text.empty()) {
        return std::nullopt;
    }
    TRY(codec::Platform platform, codec::Platform::parse(text));
    return std::optional{std::move(platform)};
}

}  // namespace lazybuild::cli
