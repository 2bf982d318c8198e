// SPDX-License-Identifier: Apache-2.0
// ImageConfig: what an image runs and which layers, unpacked, it is made of.
//
// Source: OCI image-spec v1.1 config.md ("Layer ChainID" for chain_ids). Docker's config is the
// same document with members of its own, which are kept.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/digest.h"
#include "codec/json.h"
#include "codec/oci_platform.h"

namespace lazybuild::codec {

struct HistoryEntry {
    std::string created_by;
    bool empty_layer = false;
};

struct ImageConfig {
    Platform platform;
    std::string created;  ///< RFC 3339, as written
    std::string user;
    std::string working_directory;
    std::vector<std::string> entrypoint;
    std::vector<std::string> command;
    std::vector<std::string> environment;
    StringMap labels;
    std::vector<HistoryEntry> history;
    std::vector<Digest> diff_ids;  ///< of the uncompressed layers, bottom first

    std::string original;

    /// Errors: bad_message with the path of the member.
    static Result<ImageConfig> parse(ByteView text);
    /// The document with `platform`'s names and `diff_ids` written back; everything else is as it
    /// was read.
    std::string serialize() const;
};

/// The ChainID of each layer: what names the file system that it and all below it make.
std::vector<Digest> chain_ids(const std::vector<Digest>& diff_ids);

}  // namespace lazybuild::codec
