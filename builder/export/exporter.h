// SPDX-License-Identifier: Apache-2.0
// From solved steps to images and files: outputs.h says where to, this what.
//
// Equal layers and settings give equal bytes, on any machine and with any number of workers.
// Layers are written as blobs once (LayerStore::blobs remembers), several at a time; a base's layer
// stays the blob that its image has, and goes to the target by the cheapest way there is: it is
// there, it is mounted from another repository, it is streamed from its origin.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/stream.h"
#include "builder/graph/image_settings.h"
#include "builder/image/session.h"
#include "builder/layers/layer_store.h"
#include "builder/solve/progress.h"

namespace lazybuild::exporter {

class BlobFlights;

/// One platform's result.
struct BuiltImage {
    codec::Platform platform;
    /// In its history, what made no layer is marked so (also a WORKDIR that was there already);
    /// entries of the build itself have no time.
    graph::ImageSettings settings;
    std::vector<codec::Digest> layer_ids;            ///< bottom first
    std::function<Result<layers::Snapshot>()> open;  ///< the layers, when bytes are needed
    /// What a later build may find in the image itself: JSON, written into its config; "" for none.
    /// Layers in it are those of `layer_ids`: one that is to be changed on its way (squashed, given
    /// other times) has no place there.
    std::string inline_cache;
};

/// -o/--output, as written and checked.
struct Output {
    enum class Type : std::uint8_t { image, registry, oci, docker, local, tar, cacheonly };
    Type type = Type::image;
    std::string destination;         ///< local, tar, oci, docker: path; "-" is stdout
    std::vector<std::string> names;  ///< image, registry, oci, docker
    bool push = false;
    bool tar_file = true;  ///< oci, docker: tar=false writes a directory
    layers::Compression compression = layers::Compression::estargz;
    std::optional<int> compression_level;
    bool force_compression = false;
    bool oci_media_types = true;
    bool rewrite_timestamps = false;
    bool push_by_digest = false;
    bool name_canonical = false;         ///< also named by its digest
    std::string dangling_name_prefix;    ///< names an image that has no name: PREFIX@DIGEST
    bool insecure = false;               ///< a push may use plain HTTP, or any certificate
    bool delete_others = false;          ///< local: what else is in the directory goes
    bool store = true;                   ///< image, registry: kept under its names in the store
    std::optional<bool> platform_split;  ///< local, tar: by default when there are several
    std::optional<std::int64_t> source_date_epoch_s;  ///< wins over ExportOptions
    std::map<std::string, std::string>
        annotations;  ///< "annotation[-index][…].key" as written, without "annotation"

    /// As buildx: CSV of KEY=VALUE; a bare path is local, "-" is a tar to stdout. `type=docker`
    /// without dest is for whoever loads it into docker (destination is then "").
    /// Errors: invalid_argument, naming the key and what is allowed.
    static Result<Output> parse(const std::string& text);
    /// One --annotation: "[manifest|index|manifest-descriptor|index-descriptor[PLATFORM],…:]K=V".
    Result<void> add_annotation(const std::string& text);
    /// Of `compression`, when none was asked for.
    int level() const;
};

struct ExportOptions {
    std::optional<std::int64_t> source_date_epoch_s;
    bool squash = false;             ///< all new layers become one
    bool index = false;              ///< an index even for one platform
    BlobFlights* flights = nullptr;  ///< shared by exports that run at once
};

struct Exported {
    codec::Descriptor root;    ///< manifest or index
    codec::Descriptor config;  ///< of the only platform
    std::vector<std::string> names;
};

/// `output` is of type docker; as an archive that every `docker load` takes, into `out`, wherever
/// its destination is. Errors: as export_output.
Result<Exported> export_docker_archive(const Output& output, const std::vector<BuiltImage>& images,
                                       const ExportOptions& options, layers::LayerStore& store,
                                       image::Session& session, solve::Progress& progress,
                                       ByteSink& out);

/// `progress` gets tasks of its own. Not on the reactor's thread. Errors name the output.
Result<std::optional<Exported>> export_output(const Output& output,
                                              const std::vector<BuiltImage>& images,
                                              const ExportOptions& options,
                                              layers::LayerStore& store, image::Session& session,
                                              solve::Progress& progress);

}  // namespace lazybuild::exporter
