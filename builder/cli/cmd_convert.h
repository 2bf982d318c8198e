// SPDX-License-Identifier: Apache-2.0
// lazybuild convert SRC DST: an image whose layers can be served lazily, and are layers that any
// container engine reads. The same input gives the same digests.
#pragma once

#include <cstdint>
#include <string>

#include "builder/cli/process_console.h"
#include "builder/image/session.h"
#include "codec/gzip_member.h"

namespace lazybuild::cli {

struct ConvertArgs {
    std::string source;
    std::string target;
    std::string format = "estargz";
    std::string platform;        ///< "": the host's
    bool all_platforms = false;  ///< then `platform` is ""
    std::string prioritize;      ///< a file with one path a line; "": none
    int level = codec::kMemberLevelDefault;
    std::uint64_t chunk_size_bytes = 4 << 20;
    std::uint64_t min_chunk_size_bytes = 0;
    std::size_t jobs = 0;  ///< to image::kJobsMax; 0: as many as there are processors
    image::RegistryFlags registry;
};

/// Prints the digest of what was made.
ExitCode run(const ConvertArgs& args, image::Console& console);

}  // namespace lazybuild::cli
