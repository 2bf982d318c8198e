// SPDX-License-Identifier: Apache-2.0
// What is known of a step that has been resolved: all that the exporter of a cache gets, and what
// an explanation of the build is written from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "builder/graph/step.h"
#include "codec/digest.h"

namespace lazybuild::solve {

/// A name under which a step's result is known.
struct StepKey {
    codec::Digest key;
    std::string definition;  ///< the text that it is the digest of (key.h); "" when not known
};

/// How a step came to its layer.
enum class Resolution : std::uint8_t {
    ran,       ///< or waited for a step with the same key that ran
    local,     ///< a record of the store
    imported,  ///< a record of a cache
};

/// A step that makes a layer: a COPY, a RUN, a WORKDIR, also when it changes nothing.
struct StepRecord {
    graph::StepId step = 0;
    /// One or two: by the names of what it reads, then by its content (Record::content_key). Only
    /// those under which the result has been proven.
    std::vector<StepKey> keys;
    std::optional<codec::Digest> base;  ///< Record::base
    codec::Digest layer;                ///< id
    /// Of the whole file system that it made, bottom first; `layer` is the last one.
    std::vector<codec::Digest> layer_ids;
    /// Of each input that is a step with a key, the one it works on first: all its keys.
    std::vector<std::vector<codec::Digest>> inputs;
    Resolution resolution = Resolution::ran;
    std::string cache;  ///< imported: as the user named it
    std::string text;   ///< Record::text
    std::string stage;  ///< its name, or its number
    dockerfile::Lines lines;
    std::vector<std::string> files;        ///< Record::files; empty when nothing had to be read
    std::vector<std::string> input_names;  ///< Record::input_names
};

}  // namespace lazybuild::solve
