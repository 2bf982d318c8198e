// SPDX-License-Identifier: Apache-2.0
// `build --load`, or `--output type=docker` without dest: the image goes to the engine of this
// host: docker when it answers, else containerd.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "builder/export/exporter.h"

namespace lazybuild::cli {

/// Where engines are looked for.
struct LoadPlaces {
    std::string docker;  ///< Unix sockets; "" for none
    std::string containerd;
    std::string name_space;  ///< containerd's

    /// DOCKER_HOST (when it is a Unix socket), CONTAINERD_ADDRESS, CONTAINERD_NAMESPACE, and where
    /// these are without.
    static LoadPlaces from_environment();
};

/// As exporter::export_output. containerd gets the image from the store, where it is kept under its
/// names. Errors: not_connected, naming what was tried and how it failed.
Result<exporter::Exported> load_output(const exporter::Output& output,
                                       const std::vector<exporter::BuiltImage>& images,
                                       const exporter::ExportOptions& options,
                                       layers::LayerStore& store, image::Session& session,
                                       solve::Progress& progress,
                                       const LoadPlaces& places = LoadPlaces::from_environment());

}  // namespace lazybuild::cli
