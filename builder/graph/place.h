// SPDX-License-Identifier: Apache-2.0
// What a FROM, a COPY --from and the from= of a mount name, and which of the possible readings of
// a name it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "builder/graph/plan.h"

namespace lazybuild::graph {

struct Place {
    enum class Kind : std::uint8_t {
        scratch,
        stage,
        context,  ///< files of a named context
        image
    };
    Kind kind = Kind::scratch;
    std::uint32_t stage = 0;
    std::string name;          ///< context: its key in PlanOptions::contexts; image: normalised
    std::string context_name;  ///< image: of the named context that it comes from; "" for none
};

/// The context that stands for the stage of this name; nullopt when there is none. "context" and
/// "scratch" are never replaced.
/// Errors: invalid_argument for the place of an image that cannot be read.
Result<std::optional<Place>> context_of_stage(const PlanOptions& options, std::string_view stage);

/// What `name` is when it is no stage: nothing at all ("scratch"), a named context (first the one
/// for `platform`, "name::linux/arm64"; names of images are compared in full, "alpine" stands for
/// docker.io/library/alpine:latest), or an image.
/// Errors: invalid_argument when it cannot be any of them.
Result<Place> find_place(const PlanOptions& options, std::string_view name,
                         const codec::Platform& platform);

}  // namespace lazybuild::graph
