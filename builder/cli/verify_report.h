// SPDX-License-Identifier: Apache-2.0
// What `lazybuild verify` found, and its two forms: for people and for programs.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/cli/layer_verify.h"
#include "builder/image/layer_inspection.h"
#include "codec/digest.h"
#include "codec/oci_descriptor.h"

namespace lazybuild::cli {

struct LayerVerdict {
    codec::Descriptor descriptor;
    std::optional<codec::Digest> diff_id;  ///< the config's
    std::string_view format = "other";     ///< as image::LayerInspection names it
    bool indexed = false;                  ///< it has a table of contents
    std::size_t files = 0;                 ///< whose digests a table of contents has
    std::size_t chunks = 0;                ///< that were digested
    Findings findings;
};

struct VerifyReport {
    std::string name;
    codec::Descriptor manifest;
    codec::Descriptor config;
    std::vector<LayerVerdict> layers;
    Findings findings;  ///< about what is above the layers

    std::size_t finding_count() const;
};

/// A line for what holds, and one for each thing that does not.
std::string verdict_text(const VerifyReport& report);

/// One JSON document; "holds" is the verdict, of the image and of each layer.
std::string verdict_json(const VerifyReport& report);

}  // namespace lazybuild::cli
