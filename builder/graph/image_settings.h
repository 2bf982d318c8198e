// SPDX-License-Identifier: Apache-2.0
// What an image's config says besides its layers: how its containers run, and its history. The
// members of OCI's image config, and Docker's (Healthcheck, OnBuild, Shell, ArgsEscaped).
//
// Source: OCI image-spec v1.1 config.md; docker-image-spec v1.3.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/digest.h"
#include "codec/oci_platform.h"

namespace lazybuild::graph {

struct History {
    std::string created;  ///< RFC 3339; "" until export
    std::string created_by;
    std::string comment;
    std::string author;
    bool empty_layer = false;
};

struct Health {
    std::vector<std::string> test;  ///< {"NONE"}, {"CMD", …}, {"CMD-SHELL", text}
    std::int64_t interval_ns = 0, timeout_ns = 0, start_period_ns = 0, start_interval_ns = 0;
    std::int64_t retries = 0;
    bool operator==(const Health&) const = default;
};

struct ImageSettings {
    codec::Platform platform;
    std::string author;
    std::string user;
    std::string working_directory;
    std::vector<std::string> environment;  ///< "NAME=value"
    std::optional<std::vector<std::string>> entrypoint;
    std::optional<std::vector<std::string>> command;
    bool args_escaped = false;
    std::vector<std::string> exposed_ports;  ///< sorted: "80/tcp"
    std::vector<std::string> volumes;        ///< sorted
    std::map<std::string, std::string> labels;
    std::string stop_signal;
    std::optional<Health> health;
    std::vector<std::string> shell;
    std::vector<std::string> onbuild;
    std::vector<History> history;
    std::string original;  ///< the config's JSON that this was read from: unknown members are kept

    /// Errors: bad_message with the path of the member; over_limit.
    static Result<ImageSettings> parse(ByteView config);
};

/// The config of an image of these layers (their DiffIDs, bottom first): OCI's members and
/// Docker's, sorted by name at every level, so that equal settings are equal bytes. Members of
/// `original` that nobody here knows are kept; those that describe the image it was built from (its
/// container, its inline cache) are not. `created` is RFC 3339, or "" for none. `inline_cache` is
/// the image's own, in base64.
std::string serialize(const ImageSettings& settings, const std::vector<codec::Digest>& diff_ids,
                      const std::string& created, const std::string& inline_cache = {});

}  // namespace lazybuild::graph
