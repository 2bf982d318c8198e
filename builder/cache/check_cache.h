// SPDX-License-Identifier: Apache-2.0
// Whether a cache that could be imported is whole: its index is read, and each blob that a record,
// a cache mount or its manifest names is asked for, or read.
//
// Layers of bases that a cache leaves in their registries are asked for there, by the names of the
// bases that the cache has.
//
// Threads: all functions block; any but the reactor's.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "builder/cache/cache_config.h"
#include "builder/cache/cache_options.h"
#include "builder/cache/check_report.h"
#include "builder/image/image_source.h"
#include "builder/image/session.h"
#include "builder/layers/layer_store.h"

namespace lazybuild::cache {

/// `every_byte`: each blob that is in the cache is read, its digest is checked, and what a step
/// made is proven to be the layer that its record names, by the files themselves and by the index
/// that lazy reads go by. Errors: those of reading the index; no_such_file_or_directory when there
/// is no cache; operation_canceled. All else is a finding.
Result<CheckReport> check_cache(const CacheFrom& from, layers::CheckDepth depth,
                                image::Session& session);

/// What was just written, read back: the index at `config` is `written`, and `blobs` are there.
/// Errors: bad_message for one that is not; those of reading.
Result<void> check_written(const std::shared_ptr<image::ImageSource>& source,
                           const codec::Descriptor& config, const CacheConfig& written,
                           const std::vector<codec::Descriptor>& blobs, image::Session& session);

}  // namespace lazybuild::cache
