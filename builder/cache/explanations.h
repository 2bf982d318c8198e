// SPDX-License-Identifier: Apache-2.0
// What a miss is explained with: the texts of the keys in a cache, and the files that went into
// them. A blob of its own, zstd over JSON, which importers fetch only when a miss is to be
// explained.
// Threads: any.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "builder/export/documents.h"
#include "builder/solve/records.h"
#include "builder/solve/step_record.h"

namespace lazybuild::cache {

inline constexpr std::string_view kExplanationsType =
    "application/vnd.lazybuild.cache.explanations.v1+json+zstd";
inline constexpr std::size_t kExplanationsBytesMax = 64 << 20;  ///< in the blob
inline constexpr std::size_t kExplanationsTextMax = 256 << 20;  ///< unpacked

/// Equal steps give equal bytes, in whatever order they are.
exporter::NamedDocument write_explanations(const std::vector<solve::StepRecord>& steps);

/// One record for each key, with base, text, definition, files, input_names; layer and inputs are
/// not in it. Errors: bad_message; over_limit.
Result<std::vector<solve::Record>> read_explanations(ByteView blob);

/// Names the file system that a key's step works on, as its text says; nullopt: none.
std::optional<codec::Digest> base_in(std::string_view definition);

}  // namespace lazybuild::cache
