// SPDX-License-Identifier: Apache-2.0
// What a layer's table of contents (TOC) says, whatever the format of the layer: as a tree to
// mount, or as a list of claims to check against the bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codec/chunk_walk.h"
#include "codec/digest.h"
#include "codec/file_tree.h"

namespace lazybuild::codec {

struct Toc {
    FileTree tree;  ///< without landmarks; each Chunk::blob_size_bytes reaches to the next member
    /// What lies in front of this offset should be fetched before the container starts; nullopt
    /// when the layer's maker recorded nothing.
    std::optional<std::uint64_t> prefetch_end_bytes;
};

struct ClaimedChunk {
    ChunkPlace place;
    std::uint64_t file_offset_bytes = 0;
    std::uint32_t file = 0;  ///< index into TocClaims::files
    std::optional<Digest> digest;
};

struct ClaimedFile {
    std::string path;  ///< cleaned (clean_path)
    std::uint64_t size_bytes = 0;
    std::uint32_t chunks = 0;
    std::optional<Digest> digest;  ///< of all of it
};

struct TocClaims {
    std::vector<ClaimedFile> files;    ///< regular files, in the order of the TOC
    std::vector<ClaimedChunk> chunks;  ///< in the order of their places
};

}  // namespace lazybuild::codec
