// SPDX-License-Identifier: Apache-2.0
// ImageSource: one image that can be read, wherever it is. Nothing above knows where.
//
// Threads: every member is used on the reactor's thread; tasks outlive neither the source nor its
// Session.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "base/stream.h"
#include "builder/image/session.h"
#include "codec/oci_descriptor.h"
#include "snapshotter/registry/client.h"
#include "snapshotter/store/records.h"

namespace lazybuild::image {

class ImageSource {
  public:
    virtual ~ImageSource() = default;

    /// For messages: the place as its user would write it.
    virtual std::string name() const = 0;

    /// The manifest or index that the place stands for; its digest is computed, not claimed.
    virtual io::Task<Result<registry::Document>> root(io::Wait wait) = 0;
    /// A manifest or index that another one names. Size and digest are verified.
    virtual io::Task<Result<registry::Document>> document(codec::Descriptor descriptor,
                                                          io::Wait wait) = 0;
    /// The bytes of a blob from `offset_bytes`, not verified: read it with stream_blob.
    virtual io::Task<Result<std::unique_ptr<registry::BlobStream>>> open_blob(
        codec::Descriptor blob, std::uint64_t offset_bytes, io::Wait wait) = 0;
    /// Exactly these bytes, not verified.
    virtual io::Task<Result<Bytes>> read_range(codec::Digest blob, std::uint64_t offset_bytes,
                                               std::uint64_t size_bytes, io::Wait wait) = 0;
    /// Whether a blob is there, without reading it: its size as the place says it; nullopt: it is
    /// not there.
    virtual io::Task<Result<std::optional<std::uint64_t>>> blob_size(codec::Digest blob,
                                                                     io::Wait wait) = 0;

    /// Where any blob of the image can be had again later, also by another process.
    virtual store::Origin origin() const = 0;
    /// Where in a registry; null when the image is not in one.
    virtual const registry::Repository* repository() const { return nullptr; }
    /// The blob as an open file; nullopt when blobs are not files here. Its size is checked.
    virtual Result<std::optional<Fd>> local_blob(const codec::Descriptor& blob) const;
};

/// Reads all of `blob` into `sink`, whose write() is called on the pool's threads, one call at a
/// time. A stream that breaks is opened again where it broke. Errors: bad_message when size or
/// digest are not what the descriptor says, after the last write; those of source and sink.
io::Task<Result<void>> stream_blob(Session& session, ImageSource& source, codec::Descriptor blob,
                                   ByteSink& sink, io::Wait wait);

/// A small blob (a config), whole and verified. Errors: over_limit past `limit_bytes`.
io::Task<Result<Bytes>> read_blob(Session& session, ImageSource& source, codec::Descriptor blob,
                                  std::uint64_t limit_bytes, io::Wait wait);

}  // namespace lazybuild::image
