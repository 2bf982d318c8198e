// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_mount.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "builder/cli/background.h"
#include "builder/cli/open_command.h"
#include "builder/cli/served_image.h"
#include "builder/image/image_documents.h"
#include "builder/image/layer_inspection.h"
#include "builder/image/open_image.h"
#include "builder/image/work.h"
#include "fuse/mounts.h"

namespace lazybuild::cli {
namespace {

constexpr std::string_view kCommand = "mount";
/// How often the mount table is looked at. Its own notice (POLLPRI) does not tell when an overlay
/// goes that was detached, or that another mount namespace has.
constexpr std::chrono::milliseconds kLookInterval{200};

Result<std::string> check_directory(const std::string& directory) {
    if (::geteuid() != 0) {
        return fail(Error{.code = std::errc::operation_not_permitted,
                          .message = "mounting needs root: run it with sudo"});
    }
    TRY(std::string target, fuse::resolve_mount_point(directory));
    struct stat status{};
    if (::lstat(target.c_str(), &status) != 0) {
        return fail(errno_error(target));
    }
    if (!S_ISDIR(status.st_mode)) {
        return fail(errno_error(target, ENOTDIR));
    }
    return target;
}

/// What killed servers have left is taken away by the next mount.
void sweep(const std::string& root, image::Console& console) {
    const auto records = mount_records(root);
    if (!records) {
        return;  // the mount itself will say it
    }
    for (const MountRecord& record : *records) {
        if (record.served) {
            continue;
        }
        if (auto removed = remove_mount_state(root, record); !removed) {
            console.note(
                fmt::format("warning: {} stays: {}", record.path, removed.error().message));
        }
    }
}

io::Task<Result<layer::LayerRequest>> layer_request(image::ImageSource& source,
                                                    codec::Descriptor layer, codec::Digest diff_id,
                                                    io::Wait wait) {
    const image::LayerInspection inspection =
        co_await io::or_return(co_await image::inspect_layer(source, layer, std::move(wait)));
    if (!inspection.lazy) {
        const std::string why = inspection.reason.empty() ? "" : ": " + inspection.reason;
        co_return fail(Error{
            .code = std::errc::not_supported,
            .message = fmt::format("layer {} is {} and cannot be mounted lazily{}; convert the "
                                   "image first (lazybuild convert)",
                                   layer.digest.text(), inspection.format, why)});
    }
    co_return layer::LayerRequest{.origin = source.origin(),
                                  .blob = layer.digest,
                                  .blob_size_bytes = layer.size_bytes,
                                  .toc = *inspection.toc_digest,
                                  .diff_id = diff_id};
}

io::Task<Result<std::vector<layer::LayerRequest>>> layer_requests(
    image::Session& session, image::ImageSource& source, std::optional<codec::Platform> platform) {
    image::ImageDocument root =
        co_await io::or_return(co_await image::read_root(source, session.wait()));
    image::ImageDocument document;
    if (platform) {
        document = co_await io::or_return(co_await image::choose_platform(
            session, source, std::move(root), *std::move(platform), session.wait()));
    } else {
        document = co_await io::or_return(co_await image::choose_manifest(
            source, std::move(root), codec::host_platform(), session.wait()));
    }
    const codec::Manifest manifest = *std::move(document.manifest);
    const image::ConfigDocument config = co_await io::or_return(
        co_await image::read_config(session, source, manifest, session.wait()));
    std::vector<layer::LayerRequest> requests;
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
        layer::LayerRequest request = co_await io::or_return(co_await layer_request(
            source, manifest.layers[i], config.config.diff_ids[i], session.wait()));
        requests.push_back(std::move(request));
    }
    co_return requests;
}

/// From here to its end, the mount.
struct Mounting {
    const MountArgs& args;
    std::string target;
    std::optional<codec::Platform> platform;
    image::Session& session;
    image::ImageSource& source;
    MountState& state;
};

/// On the pool, until nobody uses the image any more.
Result<void> serve_until_unmounted(const Mounting& mounting, ServedImage& image) {
    bool in_tree = true;
    for (;;) {
        if (in_tree) {
            TRY(in_tree, image.mounted());
        }
        if (in_tree && mounting.session.wait().cancel.cancelled()) {
            CHECK_OK(image.detach());
            in_tree = false;
        }
        if (!in_tree) {
            TRY(const bool ended, image.end_if_unused());
            if (ended) {
                return {};
            }
        }
        std::this_thread::sleep_for(kLookInterval);
    }
}

Result<void> mount_and_serve(const Mounting& mounting, ServedImage& image) {
    CHECK_OK(image.mount(mounting.target));
    mounting.session.console().note(
        fmt::format("{} is mounted on {}", mounting.source.name(), mounting.target));
    if (mounting.args.ready_fd >= 0) {
        CHECK_OK(report_ready(Fd{mounting.args.ready_fd}, mounting.state.log_path()));
    }
    return serve_until_unmounted(mounting, image);
}

io::Task<Result<void>> mount_image(Mounting& mounting) {
    image::Session& session = mounting.session;
    std::vector<layer::LayerRequest> layers = co_await io::or_return(
        co_await layer_requests(session, mounting.source, mounting.platform));
    layer::FetchOptions options;
    options.background_fill = mounting.args.fill;
    auto open = [&mounting, options] {
        return ServedImage::open(mounting.session, mounting.state, options);
    };
    const std::unique_ptr<ServedImage> image = co_await io::or_return(
        co_await io::run_on(session.pool(), session.reactor(), std::move(open)));
    Result<void> outcome = co_await image->resolve(std::move(layers));
    if (outcome) {
        auto serve = [&mounting, &image] { return mount_and_serve(mounting, *image); };
        outcome = co_await io::run_on(session.pool(), session.reactor(), std::move(serve));
    }
    auto close = [&image] { image->close(); };
    co_await io::run_on(session.pool(), session.reactor(), std::move(close));
    co_return outcome;
}

Result<void> serve(const MountArgs& args, std::optional<codec::Platform> platform,
                   const image::ImagePlace& place, image::Console& console) {
    TRY(std::string target, check_directory(args.directory));
    TRY(const auto session, image::Session::open(args.registry, console));
    TRY(const auto source, image::open_source(place, *session));
    sweep(args.root, console);
    TRY(MountState state, MountState::create(args.root, target));
    Mounting mounting{.args = args,
                      .target = std::move(target),
                      .platform = std::move(platform),
                      .session = *session,
                      .source = *source,
                      .state = state};
    Result<void> outcome = session->run(mount_image(mounting));
    const Result<void> removed = state.remove();
    return outcome ? removed : outcome;
}

}  // namespace

ExitCode run(const MountArgs& args, image::Console& console) {
    auto platform = image::parse_platform(args.platform);
    if (!platform) {
        return report_usage(console, kCommand, platform.error());
    }
    const auto place = image::ImagePlace::parse(args.image);
    if (!place) {
        return report_usage(console, kCommand, place.error());
    }
    if (const auto options = image::client_options(args.registry); !options) {
        return report_usage(console, kCommand, options.error());
    }
    if (!args.foreground) {
        const auto code = run_in_background(args.command_line, console);
        return code ? *code : report_failure(console, kCommand, code.error());
    }
    if (const auto served = serve(args, *std::move(platform), *place, console); !served) {
        return report_failure(console, kCommand, served.error());
    }
    return ExitCode::done;
}

}  // namespace lazybuild::cli
