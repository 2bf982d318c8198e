// SPDX-License-Identifier: Apache-2.0
// An image from anywhere into containerd: all of its content and a record under each of its names.
// Nothing is unpacked: containerd does that when a container is made. Blocks.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "builder/cli/containerd_client.h"
#include "builder/image/image_source.h"
#include "builder/image/session.h"

namespace lazybuild::cli {

/// Not on the reactor's thread. Errors: those of containerd and of the source. What was stored when
/// it fails is left to containerd, which discards it.
Result<void> load_into_containerd(image::Session& session, image::ImageSource& source,
                                  const std::vector<std::string>& names,
                                  ContainerdClient& containerd);

}  // namespace lazybuild::cli
