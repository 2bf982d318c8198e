// SPDX-License-Identifier: Apache-2.0
// Writes what is known of a build's steps as a cache that other builds read (--cache-to).
//
// Every record is resolved from its own layers and every layer from its own blobs: what lies here
// is sent, what lies elsewhere is named, mounted from another repository of the registry, or
// streamed; nothing is fetched to be described. Each record ends as exported, as metadata only
// because its mode says so, or as dropped with a reason; nothing is left out silently. What was
// written is read back and checked.
//
// Threads: blocks; not on the reactor's thread; several caches may be exported at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/cache/cache_options.h"
#include "builder/cache/import_cache.h"
#include "builder/export/blob_flights.h"
#include "builder/image/image_documents.h"
#include "builder/image/session.h"
#include "builder/layers/layer_store.h"
#include "builder/solve/progress.h"
#include "builder/solve/step_record.h"

namespace lazybuild::cache {

/// An image that steps stand on.
struct BaseImage {
    std::string name;  ///< as BaseImages looks it up: "docker.io/library/alpine:3", "oci:/dir:tag"
    std::string platform;  ///< as wanted
    image::ImageDocument manifest;
    image::ConfigDocument config;
    store::Origin origin;  ///< where its blobs are
    /// Its layers, when bytes are needed (force-compression); may be empty.
    std::function<Result<layers::Snapshot>()> open;
};

/// What a cache mount holds now.
struct BuiltMount {
    codec::Digest key;  ///< exec::cache_key
    std::string name;   ///< for messages: its id
    /// Bottom first, not empty. The layer store has them, or knows of them.
    std::vector<codec::Digest> layer_ids;
};

/// What is known of a build.
struct BuiltCache {
    /// Solver::records, of all platforms.
    std::vector<solve::StepRecord> records;
    /// Of the results, of all platforms, bottom first: the layers of mode=min.
    std::vector<std::vector<codec::Digest>> results;
    std::vector<BaseImage> bases;
    std::vector<BuiltMount> mounts;  ///< each once; for caches with mounts=true
    /// That steps were found in, and that know what explains them; nullptr: none.
    Imports* imports = nullptr;
    exporter::BlobFlights* flights = nullptr;  ///< shared with exports that run at the same time
};

struct ExportedCache {
    std::string name;         ///< as in messages: the reference, or the directory
    codec::Descriptor root;   ///< the manifest or index
    bool unchanged = false;   ///< it was there already, as it is
    bool failed = false;      ///< ignore_error: there is no cache, the last warning says why
    std::size_t records = 0;  ///< exported, with layers
    std::size_t metadata_only = 0;
    std::size_t dropped = 0;
    std::size_t mounts = 0;  ///< cache mounts
    std::size_t layers = 0;
    std::size_t uploaded = 0;  ///< blobs of layers
    std::uint64_t uploaded_bytes = 0;
    std::size_t mounted = 0;
    /// Layers of bases that stay where they are, by registry: the cache says where.
    std::map<std::string, std::size_t> elsewhere;
    /// One sentence each: what was dropped and why (DropList); with ignore_error, what went wrong.
    std::vector<std::string> warnings;

    /// "cache NAME: 12 records exported, 3 metadata only (mode=min), 0 dropped; 5 layers, …".
    std::string summary(Mode mode) const;
};

/// `to` is not inline; all outlive the call. A directory that has no room, or a place that takes
/// nothing, is an error and leaves what the name stood for before. Tells `progress` (a task of its
/// own, warnings, the summary). Errors name the cache and what failed: those of layers, network and
/// disk; with to.strict also bad_message when a record was dropped. With to.ignore_error only
/// operation_canceled.
Result<ExportedCache> export_cache(const CacheTo& to, const BuiltCache& built,
                                   layers::LayerStore& store, image::Session& session,
                                   solve::Progress& progress);

}  // namespace lazybuild::cache
