// SPDX-License-Identifier: Apache-2.0
// What a step changed, as a layer: the upper directory of its overlay, read once the step and all
// its processes are gone.
//
// Overlayfs says deleted with a 0:0 character device and replaced with trusted.overlay.opaque; a
// layer says ".wh.NAME" and ".wh..wh..opq" (OCI image-spec v1.1 layer.md, "Whiteouts"). It also
// copies directories up in which something deeper changed, and files that somebody only looked at
// with intent to write: what is then as it was below is left out, or every RUN would make a layer.
//
// Source: Linux Documentation/filesystems/overlayfs.rst. Threads: any; blocks on the disk.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/result.h"
#include "builder/layers/file_source.h"
#include "builder/layers/layer_store.h"

namespace lazybuild::exec {

struct UpperOptions {
    std::string upper;                        ///< path of the directory
    layers::FileSource& below;                ///< what the overlay was put on
    const std::set<std::string>& made_by_us;  ///< MountPoints::made(): left out when still empty
    /// `upper` is no overlay's: all that there is. What it lacks of `below` has been deleted.
    bool complete = false;
    bool files_only = false;  ///< device nodes and FIFOs are left out
};

/// Reads it, sorted by name, into a maker that is asked for when there is something to put into it.
/// Sockets are left out. nullptr when nothing changed. Never follows a symlink; nobody else may
/// change the directory meanwhile.
/// Errors: invalid_argument for a name that begins with ".wh."; those of LayerMaker; over_limit for
/// paths that are too long for a layer.
Result<layers::LayerPointer> read_upper(
    const UpperOptions& options,
    const std::function<Result<std::unique_ptr<layers::LayerMaker>>()>& make_layer);

}  // namespace lazybuild::exec
