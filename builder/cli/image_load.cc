// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/image_load.h"

#include <fmt/format.h>

#include <cstdlib>
#include <utility>

#include "builder/cli/containerd_load.h"
#include "builder/cli/docker_socket.h"
#include "builder/export/store_source.h"

namespace lazybuild::cli {
namespace {

constexpr std::string_view kUnix = "unix://";

std::string environment(const char* name, const char* otherwise) {
    const char* const value = std::getenv(name);
    return value != nullptr && *value != '\0' ? value : otherwise;
}

Result<exporter::Exported> load_into_docker(const DockerSocket& docker,
                                            const exporter::Output& output,
                                            const std::vector<exporter::BuiltImage>& images,
                                            const exporter::ExportOptions& options,
                                            layers::LayerStore& store, image::Session& session,
                                            solve::Progress& progress) {
    std::optional<exporter::Exported> exported;
    CHECK_OK(docker.load([&](ByteSink& out) -> Result<void> {
        TRY(exported, exporter::export_docker_archive(output, images, options, store, session,
                                                      progress, out));
        return {};
    }));
    return *std::move(exported);
}

}  // namespace

LoadPlaces LoadPlaces::from_environment() {
    std::string docker = environment("DOCKER_HOST", "unix:///var/run/docker.sock");
    docker = docker.starts_with(kUnix) ? docker.substr(kUnix.size()) : "";
    return {.docker = std::move(docker),
            .containerd = environment("CONTAINERD_ADDRESS", "/run/containerd/containerd.sock"),
            .name_space = environment("CONTAINERD_NAMESPACE", "default")};
}

Result<exporter::Exported> load_output(const exporter::Output& output,
                                       const std::vector<exporter::BuiltImage>& images,
                                       const exporter::ExportOptions& options,
                                       layers::LayerStore& store, image::Session& session,
                                       solve::Progress& progress, const LoadPlaces& places) {
    std::string tried;
    if (!places.docker.empty()) {
        const auto docker = DockerSocket::open(places.docker, session);
        if (docker) {
            return load_into_docker(**docker, output, images, options, store, session, progress);
        }
        tried = fmt::format("docker ({}), ", docker.error().message);
    }
    const auto containerd = ContainerdClient::connect(places.containerd, places.name_space);
    if (!containerd) {
        tried += fmt::format("containerd ({})", containerd.error().message);
        return fail(Error{.code = std::errc::not_connected,
                          .message = fmt::format("--load: no engine answers; tried {}. Write an "
                                                 "archive with --output type=docker,dest=FILE",
                                                 tried)});
    }
    if (output.names.empty()) {
        return fail(invalid("--load: under which name? containerd needs one: -t NAME:TAG"));
    }
    exporter::Output kept = output;
    kept.type = exporter::Output::Type::image;
    TRY(const auto exported,
        exporter::export_output(kept, images, options, store, session, progress));
    const auto source =
        exporter::store_source(store, session, exported->names.front(), exported->root);
    CHECK_OK(load_into_containerd(session, *source, exported->names, **containerd));
    return *exported;
}

}  // namespace lazybuild::cli
