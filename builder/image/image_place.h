// SPDX-License-Identifier: Apache-2.0
// Where an image is, as users type it:
//   [docker://][host[:port]/]name[:tag][@digest]   in a registry
//   oci:DIRECTORY[:TAG]                            in an OCI image layout
//   oci-archive:FILE[:TAG]                         the same as a tar (only to read)
//   docker-archive:FILE[:TAG]                      what `docker save` wrote (only to read)
// A prefix wins over a registry name of the same spelling: the image "oci" is docker://oci.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "snapshotter/registry/reference.h"

namespace lazybuild::image {

struct ImagePlace {
    enum class Kind { registry, oci_layout, oci_archive, docker_archive };

    Kind kind = Kind::registry;
    registry::Reference reference;  ///< in a registry
    std::string path;               ///< else
    std::string tag;                ///< of what is at `path`; may be empty

    /// Errors: invalid_argument, naming `text` and what is wrong with it.
    static Result<ImagePlace> parse(std::string_view text);
    /// One that can be written to. Errors: besides, an archive, or a reference with a digest.
    static Result<ImagePlace> parse_target(std::string_view text);
    /// parse(text()) gives the same place.
    std::string text() const;
};

}  // namespace lazybuild::image
