// SPDX-License-Identifier: Apache-2.0
// A directory of the host that stands for something else: files of a commit. Not for other rooms.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/result.h"
#include "builder/files/context.h"

namespace lazybuild::files {

struct LocalView {
    bool plain_modes = false;             ///< 0755 for what can be executed, else 0644
    std::optional<std::int64_t> mtime_s;  ///< of everything
};
/// As open_local_context.
Result<std::unique_ptr<layers::FileSource>> open_local_view(const LocalContextOptions& options,
                                                            const LocalView& view);

}  // namespace lazybuild::files
