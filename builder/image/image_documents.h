// SPDX-License-Identifier: Apache-2.0
// From the name of an image to its manifest and config: what convert, inspect and pull begin with.
//
// Tasks: on the reactor's thread; what they refer to outlives them. Errors of all of them, besides
// what they say: those of the source; bad_message for a document that is not what its name is the
// digest of, or is none; over_limit past codec::kJsonDocumentBytesMax.
//
// Source: OCI image-spec v1.1 manifest.md, image-index.md, config.md.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "builder/image/image_source.h"
#include "codec/oci_config.h"
#include "codec/oci_manifest.h"

namespace lazybuild::image {

/// A manifest or index: read, and as the bytes that its digest is of.
struct ImageDocument {
    codec::Descriptor descriptor;
    Bytes bytes;
    std::optional<codec::Index> index;        ///< one of the two
    std::optional<codec::Manifest> manifest;  ///< is there
};

/// What `source` stands for.
io::Task<Result<ImageDocument>> read_root(ImageSource& source, io::Wait wait);
/// A document that another one names.
io::Task<Result<ImageDocument>> read_child(ImageSource& source, codec::Descriptor descriptor,
                                           io::Wait wait);

/// The manifest for `platform`: `root` itself when it is one, else the one that an index, or an
/// index in it, has for the platform. Errors: no_such_file_or_directory, naming the platforms that
/// there are.
io::Task<Result<ImageDocument>> choose_manifest(ImageSource& source, ImageDocument root,
                                                codec::Platform platform, io::Wait wait);

/// The same for a platform that the user insists on: an image that is there for one platform only
/// must be for this one (not_supported).
io::Task<Result<ImageDocument>> choose_platform(Session& session, ImageSource& source,
                                                ImageDocument root, codec::Platform platform,
                                                io::Wait wait);

struct ConfigDocument {
    Bytes bytes;
    codec::ImageConfig config;
};

/// The config of an image. Errors: not_supported for a manifest of something else (a chart, an
/// attestation); bad_message when it has not one diffID for each layer.
io::Task<Result<ConfigDocument>> read_config(Session& session, ImageSource& source,
                                             codec::Manifest manifest, io::Wait wait);

/// A descriptor of `bytes`: their digest and size.
codec::Descriptor describe(std::string_view media_type, ByteView bytes);

/// "linux/amd64, linux/arm64": the platforms of an index, attestations left out.
std::string list_platforms(const codec::Index& index);

}  // namespace lazybuild::image
