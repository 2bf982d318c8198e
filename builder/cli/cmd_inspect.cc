// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_inspect.h"

#include <optional>
#include <utility>
#include <vector>

#include "builder/cli/inspect_report.h"
#include "builder/cli/open_command.h"
#include "builder/image/image_documents.h"
#include "builder/image/work.h"

namespace lazybuild::cli {
namespace {

io::Task<Result<void>> inspect_one(image::Session& session, image::ImageSource& source,
                                   bool with_toc, LayerReport& report) {
    report.inspection = co_await io::or_return(
        co_await image::inspect_layer(source, report.descriptor, session.wait()));
    const bool read = with_toc && report.inspection.indexed != nullptr;
    if (!read) {
        co_return Result<void>{};
    }
    codec::Toc toc = co_await io::or_return(co_await image::read_toc(
        session, source, report.descriptor, report.inspection, session.wait()));
    report.toc = std::move(toc);
    co_return Result<void>{};
}

io::Task<Result<ImageReport>> inspect(image::Session& session, image::ImageSource& source,
                                      std::optional<codec::Platform> platform, bool with_toc) {
    image::ImageDocument root =
        co_await io::or_return(co_await image::read_root(source, session.wait()));
    ImageReport report;
    report.name = source.name();
    report.root = root.descriptor;
    report.index = root.index;
    const codec::Platform wanted = platform ? *platform : codec::host_platform();
    image::ImageDocument document = co_await io::or_return(
        co_await image::choose_manifest(source, std::move(root), wanted, session.wait()));
    report.manifest_descriptor = document.descriptor;
    report.manifest = *std::move(document.manifest);

    // Charts and attestations have manifests too; what there is of them is shown.
    auto config = co_await image::read_config(session, source, report.manifest, session.wait());
    if (config) {
        report.config = std::move(config->config);
    } else if (config.error().code != std::errc::not_supported) {
        co_return fail(std::move(config).error());
    }
    for (std::size_t i = 0; i < report.manifest.layers.size(); ++i) {
        LayerReport layer;
        layer.descriptor = report.manifest.layers[i];
        if (report.config) {
            layer.diff_id = report.config->diff_ids[i];
        }
        report.layers.push_back(std::move(layer));
    }
    std::vector<io::Task<Result<void>>> inspections;
    inspections.reserve(report.layers.size());
    for (LayerReport& layer : report.layers) {
        inspections.push_back(inspect_one(session, source, with_toc, layer));
    }
    co_await io::or_return(co_await image::run_all(session, std::move(inspections)));
    co_return report;
}

}  // namespace

ExitCode run(const InspectArgs& args, image::Console& console) {
    constexpr std::string_view kCommand = "inspect";
    const auto reading = open_reading(args.image, args.platform, args.registry, console, kCommand);
    if (!reading) {
        return reading.error();
    }
    const auto report = reading->session->run(
        inspect(*reading->session, *reading->source, reading->platform, args.toc));
    if (!report) {
        return report_failure(console, kCommand, report.error());
    }
    console.out(args.json ? report_json(*report) : report_text(*report));
    return ExitCode::done;
}

}  // namespace lazybuild::cli
