// SPDX-License-Identifier: Apache-2.0
// Whether a blob is what it is said to be, by reading all of it and keeping nothing.
#pragma once

#include <set>

#include "base/result.h"
#include "builder/image/image_source.h"
#include "builder/image/session.h"
#include "codec/digest.h"
#include "codec/oci_descriptor.h"

namespace lazybuild::cache {

/// Reads `blob`: size and digest, and, when `layers` has ids (codec::tree_digest) of layers that it
/// is said to hold, that its files make that layer; when it has an index for lazy readers, that
/// this says the same. Blocks; any thread but the reactor's, several at once. Memory: two trees of
/// a layer. Errors: bad_message, saying what does not hold; those of the source.
Result<void> read_and_prove(image::Session& session, image::ImageSource& source,
                            const codec::Descriptor& blob, const std::set<codec::Digest>& layers);

}  // namespace lazybuild::cache
