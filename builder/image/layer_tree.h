// SPDX-License-Identifier: Apache-2.0
// What files a layer has, for who does not want their bytes: from its table of contents where it
// has one, else by reading all of it and keeping nothing.
#pragma once

#include "base/result.h"
#include "builder/image/image_source.h"
#include "codec/file_tree.h"

namespace lazybuild::image {

/// Node::content is what the index says, or what was read. Errors: those of read_toc, stream_blob
/// and of the layer's tar, naming the layer. Thread: the reactor's.
io::Task<Result<codec::FileTree>> read_layer_tree(Session& session, ImageSource& source,
                                                  codec::Descriptor layer, io::Wait wait);

}  // namespace lazybuild::image
