// SPDX-License-Identifier: Apache-2.0
// A cache inside the image that it is of (type=inline): its records are a member of the image's
// config, its layers the image's own.
// Threads: any.
#pragma once

#include <string>
#include <vector>

#include "builder/solve/step_record.h"
#include "codec/digest.h"

namespace lazybuild::cache {

/// For exporter::BuiltImage::inline_cache of one platform: JSON of `records`; `layer_ids` are the
/// image's layers. Equal steps and layers give equal bytes. "" when there is no record.
std::string inline_cache(const std::vector<solve::StepRecord>& records,
                         const std::vector<codec::Digest>& layer_ids);

}  // namespace lazybuild::cache
