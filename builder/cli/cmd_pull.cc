// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_pull.h"

#include <fmt/format.h>

#include <utility>

#include "builder/cli/containerd_client.h"
#include "builder/cli/image_pull.h"
#include "builder/cli/open_command.h"
#include "builder/image/image_place.h"
#include "builder/image/open_image.h"
#include "builder/image/registry_image.h"
#include "builder/image/work.h"

namespace lazybuild::cli {
namespace {

constexpr std::string_view kCommand = "pull";

Result<PullOptions> pull_options(const PullArgs& args) {
    TRY(const image::ImagePlace place, image::ImagePlace::parse(args.image));
    if (place.kind != image::ImagePlace::Kind::registry) {
        return fail(invalid(fmt::format(
            "\"{}\": images are pulled from registries; their layers stay there", args.image)));
    }
    TRY(const auto platform, image::parse_platform(args.platform));
    CHECK_OK(image::client_options(args.registry));
    return PullOptions{.reference = place.reference,
                       .platform = platform ? *platform : codec::host_platform(),
                       .platform_given = platform.has_value(),
                       .snapshotter = args.snapshotter};
}

Result<PullSummary> pull(const PullArgs& args, PullOptions options, image::Console& console) {
    TRY(const auto session, image::Session::open(args.registry, console));
    TRY(const auto containerd, ContainerdClient::connect(args.containerd, args.name_space));
    const auto source = image::registry_source(options.reference, *session);
    ImagePull image(*session, *source, *containerd, std::move(options));
    return session->run(image.run());
}

}  // namespace

ExitCode run(const PullArgs& args, image::Console& console) {
    auto options = pull_options(args);
    if (!options) {
        return report_usage(console, kCommand, options.error());
    }
    const std::string name = options->reference.text();
    const auto summary = pull(args, *std::move(options), console);
    if (!summary) {
        return report_failure(console, kCommand, summary.error());
    }
    const std::string unpacked =
        summary->layers_unpacked == 0
            ? ""
            : fmt::format(", {} unpacked by the snapshotter", summary->layers_unpacked);
    console.note(fmt::format("{}: {} layers lazy{}, {} in full, {} there before; {} fetched", name,
                             summary->layers_lazy, unpacked, summary->layers_full,
                             summary->layers_present, image::size_text(summary->fetched_bytes)));
    console.out(summary->digest.text() + "\n");
    return ExitCode::done;
}

}  // namespace lazybuild::cli
