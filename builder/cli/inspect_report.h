// SPDX-License-Identifier: Apache-2.0
// What `lazybuild inspect` found, and its two forms: for people and for programs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "builder/image/image_documents.h"
#include "builder/image/layer_inspection.h"

namespace lazybuild::cli {

struct LayerReport {
    codec::Descriptor descriptor;
    image::LayerInspection inspection;
    std::optional<codec::Digest> diff_id;
    std::optional<codec::Toc> toc;  ///< when it was asked for
};

struct ImageReport {
    std::string name;
    std::optional<codec::Index> index;  ///< when the name stands for one
    codec::Descriptor root;
    codec::Descriptor manifest_descriptor;
    codec::Manifest manifest;
    std::optional<codec::ImageConfig> config;  ///< of images
    std::vector<LayerReport> layers;
};

/// A table of layers under what the image is; ends with a line end.
std::string report_text(const ImageReport& report);

/// One JSON document. Sizes are bytes, times seconds since 1970; what does not apply is absent.
std::string report_json(const ImageReport& report);

}  // namespace lazybuild::cli
