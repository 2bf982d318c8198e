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

/// The same from all bytes of the layer, whatever index it has: they are the blob's, as its digest
/// says, and files are cut into pieces, so that codec::tree_digest names what was read. Memory: the
/// tree. Errors: as read_layer_tree; the caller names the layer.
io::Task<Result<codec::FileTree>> read_whole_layer(Session& session, ImageSource& source,
                                                   codec::Descriptor layer, io::Wait wait);

}  // namespace lazybuild::image
