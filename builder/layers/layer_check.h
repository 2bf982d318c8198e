// SPDX-License-Identifier: Apache-2.0
// Whether a layer that is here is what it is said to be, for who only wants to know: nothing is
// noted, locked or removed.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "builder/layers/layer_store.h"
#include "codec/digest.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::layers {

/// `directory` is a layer's, as store::DiskWriter made it. `id`: of a layer that a step made.
/// false: it is not here, or was not durable when the machine stopped. Blocks on the disk.
/// Threads: any. Errors: bad_message, naming the file, for a layer that is damaged;
/// operation_canceled; errno.
Result<bool> check_layer_files(const std::string& directory, const std::optional<codec::Digest>& id,
                               CheckDepth depth, const io::CancelToken& cancel);

}  // namespace lazybuild::layers
