// SPDX-License-Identifier: Apache-2.0
// The daemon's configuration: defaults, then the TOML file, then the command line.
// systemd/config.toml is the annotated example; every key of it is here and the other way round.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "fuse/mounts.h"
#include "snapshotter/layer/layer_context.h"
#include "snapshotter/registry/client.h"

namespace lazybuild::service {

inline constexpr const char* kDefaultConfigPath = "/etc/lazy-snapshotter/config.toml";
/// In place of the keeper's socket: do without.
inline constexpr std::string_view kNoKeeper = "none";
inline constexpr std::uint64_t kConfigBytesMax = 1 << 20;

struct Config {
    std::string root = "/var/lib/lazy-snapshotter";
    std::string address = "/run/lazy-snapshotter/lazy-snapshotter.sock";
    /// The socket of the process that keeps the disks' FUSE connection, or kNoKeeper.
    std::string keeper = "/run/lazy-snapshotter/keeper.sock";
    log::Level log_level = log::Level::info;
    /// What containerd waits for a layer before it is pulled in full.
    std::chrono::milliseconds prepare_timeout{30'000};
    /// Layers without an index are downloaded and unpacked here instead of by containerd.
    bool claim_plain_layers = false;
    /// Otherwise what works is found out at the start.
    std::optional<fuse::ErofsBacking> erofs_mounts;
    registry::ClientOptions registry;
    layer::FetchOptions fetch;
};

struct ParsedConfig {
    Config config;
    /// Keys that mean nothing here, as "<file>:<line>: unknown key …": to be logged.
    std::vector<std::string> warnings;
};

/// `file_name` is for messages. Errors: invalid_argument, "<file>:<line>: <key>: …".
Result<ParsedConfig> parse_config(std::string_view text, std::string_view file_name);

/// Reads and parses `path`. Errors: also those of reading it.
Result<ParsedConfig> read_config(const std::string& path);

/// What can be wrong with paths, wherever they came from. Errors: invalid_argument.
Result<void> check_config(const Config& config);

}  // namespace lazybuild::service
