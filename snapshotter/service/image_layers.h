// SPDX-License-Identifier: Apache-2.0
// What an image's manifest and config say about its layers: the size and the TOC digest that lazy
// serving needs, and the diffIDs that are verified later. Fetched once per image, kept for a while.
//
// Thread: the reactor's.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/digest.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/shared.h"
#include "snapshotter/io/task.h"
#include "snapshotter/registry/client.h"

namespace lazybuild::service {

/// Where manifests and configs come from: registry::Client, or a test's own.
class ImageDocuments {
  public:
    virtual ~ImageDocuments() = default;
    virtual io::Task<Result<registry::Document>> manifest(registry::Repository repository,
                                                          std::string tag_or_digest,
                                                          io::Wait wait) = 0;
    /// The whole blob, not verified.
    virtual io::Task<Result<Bytes>> blob(registry::Repository repository, codec::Digest digest,
                                         std::uint64_t size_bytes, io::Wait wait) = 0;
};

struct ImageLayer {
    codec::Digest blob;
    std::uint64_t size_bytes = 0;
    codec::Digest diff_id;
    codec::Digest chain_id;
    std::optional<codec::Digest> toc;
    std::string not_lazy;  ///< why it cannot be served lazily; empty: it can
    bool whole = false;    ///< it is one that could be unpacked here instead
};

struct Image {
    std::vector<ImageLayer> layers;  ///< bottom first
    /// Layers whose resolving was begun ahead of their Prepare. For remote_prepare.cc.
    mutable std::set<codec::Digest> begun;

    /// The number of the layer with this blob at this place of the chain; an image may have one
    /// blob twice. Errors: no_such_file_or_directory, invalid_argument (another chain id).
    Result<std::size_t> find(const codec::Digest& blob, const codec::Digest& chain_id) const;
};

/// Reads the two documents. Errors: bad_message; names the digests that do not fit.
Result<Image> read_image(const registry::Document& manifest, ByteView config);

class ImageLayers {
  public:
    /// `documents` and `reactor` outlive this, and this outlives its tasks.
    /// `fetch_timeout` bounds one image's documents, whoever waits for them.
    ImageLayers(ImageDocuments& documents, io::Reactor& reactor,
                std::chrono::milliseconds fetch_timeout);

    /// `tag_or_digest` names a manifest or an index; of an index, this machine's platform counts.
    /// Errors: those of the registry; bad_message; not_supported for an image of other platforms.
    io::Task<Result<std::shared_ptr<const Image>>> get(registry::Repository repository,
                                                       std::string tag_or_digest, io::Wait wait);

  private:
    using SharedImage = io::Shared<std::shared_ptr<const Image>>;
    struct Entry {
        SharedImage image;
        io::Deadline expires;
    };

    io::Task<Result<std::shared_ptr<const Image>>> fetch(registry::Repository repository,
                                                         std::string tag_or_digest);
    void drop_old();

    ImageDocuments& documents_;
    io::Reactor& reactor_;
    const std::chrono::milliseconds fetch_timeout_;
    std::map<std::string, Entry> entries_;
};

}  // namespace lazybuild::service
