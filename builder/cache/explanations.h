// SPDX-License-Identifier: Apache-2.0
// What a miss is explained with: the texts of the keys in a cache, and the files that went into
// them. A blob of its own, zstd over JSON, which importers fetch only when a miss is to be
// explained.
// Threads: any.
#pragma once

#include <map>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "builder/export/documents.h"
#include "builder/solve/records.h"
#include "builder/solve/step_record.h"

namespace lazybuild::cache {

inline constexpr std::string_view kExplanationsType =
    "application/vnd.lazybuild.cache.explanations.v1+json+zstd";
inline constexpr std::size_t kExplanationsBytesMax = 64 << 20;  ///< bytes of the blob
inline constexpr std::size_t kExplanationsTextMax = 256 << 20;  ///< bytes, unpacked

/// Equal steps give equal bytes, in whatever order they are.
exporter::NamedDocument write_explanations(const std::vector<solve::StepRecord>& steps);

/// By key: base, text, definition, files, input_names; layer and inputs are not in it.
using Explanations = std::map<codec::Digest, solve::Record>;
/// Errors: bad_message; over_limit.
Result<Explanations> read_explanations(ByteView blob);

}  // namespace lazybuild::cache
