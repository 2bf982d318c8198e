// SPDX-License-Identifier: Apache-2.0
// One image on its way into containerd, as containerd's own client brings it there, except that
// layers are offered to the snapshotter first and fetched only when it does not take them.
//
// Under a lease: documents and config into the content store, with the labels that keep them
// together; then a snapshot for each layer, bottom to top; then the image's record. When anything
// fails, the lease and half-made snapshots are removed, and containerd collects the rest.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "builder/cli/containerd_client.h"
#include "builder/image/image_documents.h"
#include "builder/image/image_source.h"
#include "builder/image/session.h"
#include "snapshotter/io/event.h"
#include "snapshotter/io/shared.h"
#include "snapshotter/registry/reference.h"

namespace lazybuild::cli {

struct PullOptions {
    registry::Reference reference;
    codec::Platform platform;
    bool platform_given = false;  ///< then it is insisted on
    std::string snapshotter;
};

struct PullSummary {
    codec::Digest digest;  ///< of what the name stands for
    std::size_t layers_lazy = 0;
    std::size_t layers_unpacked = 0;  ///< by the snapshotter: they cannot be lazy
    std::size_t layers_full = 0;
    std::size_t layers_present = 0;
    std::uint64_t fetched_bytes = 0;  ///< by this program
};

/// Used once. Thread: the reactor's; calls to containerd are made on the pool.
class ImagePull {
  public:
    ImagePull(image::Session& session, image::ImageSource& source, ContainerdClient& containerd,
              PullOptions options);

    /// Errors: those of source and containerd, naming the layer; operation_canceled. Nothing that
    /// containerd would keep is left then.
    io::Task<Result<PullSummary>> run();

  private:
    struct Layer {
        std::size_t number = 0;
        codec::Digest chain_id;
        std::string parent;  ///< chain ID, "" for the lowest
    };
    enum class LayerOutcome { present, lazy, full };

    io::Task<Result<void>> run_leased();
    io::Task<Result<void>> interrupt_with_session();
    io::Task<void> clean_up();
    io::Task<Result<void>> read_documents();
    io::Task<Result<void>> store_documents();
    io::Task<Result<void>> store(codec::Descriptor blob, const Bytes* bytes,
                                 codec::StringMap labels);
    io::Task<Result<void>> fill_ingest(codec::Descriptor blob, const Bytes* bytes,
                                       ContentIngest& ingest);
    io::Task<Result<void>> pull_layers();
    io::Task<Result<LayerOutcome>> pull_layer(Layer layer);
    io::Task<Result<void>> pull_in_full(Layer layer, std::string key,
                                        std::vector<ContainerdMount> mounts);
    codec::StringMap labels_of(const Layer& layer) const;
    void report(const Layer& layer, LayerOutcome outcome, double seconds);

    /// Runs a call to containerd on the pool.
    template <class Job>
    auto call(Job job) {
        return io::run_on(session_.pool(), session_.reactor(), std::move(job));
    }

    image::Session& session_;
    image::ImageSource& source_;
    ContainerdClient& containerd_;
    const PullOptions options_;
    const std::string lease_;
    io::Event finished_;
    image::ImageDocument root_;
    image::ImageDocument manifest_;
    image::ConfigDocument config_;
    std::string extracting_;  ///< the key of a snapshot that is neither committed nor removed
    PullSummary summary_;
};

}  // namespace lazybuild::cli
