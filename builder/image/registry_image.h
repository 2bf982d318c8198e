// SPDX-License-Identifier: Apache-2.0
// Images in registries, as sources and targets. Threads: as ImageSource; errors: those of
// registry::Client. Nothing is asked before something is read or written.
//
// Source: OCI distribution-spec v1.1.
#pragma once

#include <memory>

#include "builder/image/image_source.h"
#include "builder/image/image_target.h"
#include "snapshotter/registry/reference.h"

namespace lazybuild::image {

/// `session` outlives it, as it does the target.
std::unique_ptr<ImageSource> registry_source(registry::Reference reference, Session& session);

/// `reference` has a tag and no digest.
std::unique_ptr<ImageTarget> registry_target(registry::Reference reference, Session& session);

}  // namespace lazybuild::image
