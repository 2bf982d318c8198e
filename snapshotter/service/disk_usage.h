// SPDX-License-Identifier: Apache-2.0
// How much room a directory takes: blocks as the file system counts them, and inodes. Hard links
// count once. Other mounts below it are not looked into.
#pragma once

#include <string>

#include "base/result.h"
#include "snapshotter/store/records.h"

namespace lazybuild::service {

/// What goes while this walks is not counted. Blocks as long as the walk takes. Not for lazy
/// mounts: it reads directories.
Result<store::Usage> disk_usage(const std::string& directory);

}  // namespace lazybuild::service
