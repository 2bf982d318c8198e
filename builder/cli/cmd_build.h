// SPDX-License-Identifier: Apache-2.0
// lazybuild build CONTEXT: an image from a Dockerfile. What was typed, as it was typed; its meaning
// is in build_options.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "builder/cli/process_console.h"
#include "builder/image/session.h"

namespace lazybuild::cli {

struct BuildArgs {
    std::string context;  ///< a directory, "-", a URL; "" with a Dockerfile from stdin
    std::string file;     ///< a path, "-", a URL; "" for the context's own
    std::string ignore_file;
    std::string target;
    std::vector<std::string> tags;
    std::vector<std::string> build_arguments;  ///< "NAME=value" or "NAME"
    std::vector<std::string> build_argument_files;
    std::vector<std::string> contexts;  ///< "NAME=place"
    std::vector<std::string> labels;
    std::vector<std::string> annotations;
    std::vector<std::string> platforms;

    std::vector<std::string> secrets;
    std::vector<std::string> ssh;
    std::vector<std::string> allowed;
    std::vector<std::string> extra_hosts;
    std::vector<std::string> ulimits;
    std::string shm_size;
    std::string network = "default";
    std::string runtime;

    bool no_cache = false;
    std::vector<std::string> no_cache_filters;
    std::vector<std::string> cache_from, cache_to;
    bool explain = false;
    bool dry_run = false;  ///< `cache explain`: nothing runs, and stdout has the explanation
    std::string pull = "missing";
    std::size_t jobs = 0;

    std::vector<std::string> outputs;
    bool push = false;
    bool load = false;
    bool squash = false;
    std::string compression;
    std::string compression_level;
    bool force_compression = false;
    std::optional<std::int64_t> timestamp;
    std::string source_date_epoch;

    std::string progress = "auto";
    bool quiet = false;
    std::string metadata_file;
    std::string image_id_file;
    std::string report;
    bool check = false;
    std::string call = "build";

    std::string root = "/var/lib/lazybuild";
    /// In a mount namespace of its own (for root): nothing that is mounted outlives the process.
    /// Needs that the process is its caller's to change.
    bool own_mount_namespace = false;
    image::RegistryFlags registry;
};

/// With --quiet prints the digest of what was made.
ExitCode run(const BuildArgs& args, image::Console& console);

}  // namespace lazybuild::cli
