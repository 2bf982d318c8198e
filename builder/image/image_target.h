// SPDX-License-Identifier: Apache-2.0
// ImageTarget: a place where an image is put together. Blobs first, then the documents that name
// them, and finish() last: until then the place's name stands for what it stood for before.
//
// Threads: as ImageSource. Errors of all: those of the place, naming it; bad_message for a source
// whose bytes are not what the descriptor says; operation_canceled.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "builder/image/image_source.h"
#include "builder/image/session.h"
#include "builder/image/spool_file.h"
#include "codec/oci_descriptor.h"

namespace lazybuild::image {

/// How a blob came to the target.
enum class BlobOutcome {
    present,  ///< it was there
    mounted,  ///< from another repository of the registry; no bytes moved
    copied,
};

class ImageTarget {
  public:
    virtual ~ImageTarget() = default;

    /// For messages, as ImageSource::name.
    virtual std::string name() const = 0;

    /// Whether put_blob and copy_blob would find it there.
    virtual io::Task<Result<bool>> has_blob(codec::Descriptor blob, io::Wait wait) = 0;

    /// A file to write a new blob into, where put_blob takes it with the least copying.
    virtual Result<SpoolFile> begin_blob() = 0;
    /// Takes what `content` holds, from its start; `blob` is its digest and size, which the caller
    /// computed while writing.
    virtual io::Task<Result<void>> put_blob(codec::Descriptor blob, SpoolFile content,
                                            io::Wait wait) = 0;

    /// Takes a blob over from `source`, verified, by the cheapest way there is.
    virtual io::Task<Result<BlobOutcome>> copy_blob(ImageSource& source, codec::Descriptor blob,
                                                    io::Wait wait) = 0;

    /// A manifest that an index names, or a config or other small blob that was made here.
    virtual io::Task<Result<void>> put_document(codec::Descriptor descriptor, Bytes bytes,
                                                io::Wait wait) = 0;
    virtual io::Task<Result<void>> put_small_blob(codec::Descriptor blob, Bytes bytes,
                                                  io::Wait wait) = 0;

    /// Stores the image's manifest or index and makes the place's name stand for it.
    virtual io::Task<Result<void>> finish(codec::Descriptor descriptor, Bytes bytes,
                                          io::Wait wait) = 0;
};

}  // namespace lazybuild::image
