// SPDX-License-Identifier: Apache-2.0
// Files of a context as a layer, so that a step can have them mounted: as they were at one moment,
// without what .dockerignore leaves out, and without a path of the host that anybody could change
// meanwhile. Threads: any, one call at a time for one maker; blocks as `files` does.
#pragma once

#include <string>

#include "base/result.h"
#include "builder/layers/file_source.h"
#include "builder/layers/layer_store.h"

namespace lazybuild::exec {

/// The name that what was selected has in the layer's root.
inline constexpr const char* kContextName = "files";

/// A layer that holds what is at `source` (clean, relative; symlinks are followed inside the
/// context), a directory with all that is in it or one file, under kContextName.
/// Errors: no_such_file_or_directory (`"/x": not found`, and why).
Result<layers::LayerPointer> make_context_layer(layers::FileSource& files,
                                                const std::string& source,
                                                layers::LayerMaker& maker);

}  // namespace lazybuild::exec
