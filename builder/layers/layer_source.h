// SPDX-License-Identifier: Apache-2.0
// A file's bytes out of its layer's disk, in order. Small reads are taken from a large one: each
// read of a layer that is not all here may be a request to its registry.
//
// Threads: one at a time, not the reactor's.
#pragma once

#include <cstdint>
#include <utility>

#include "base/stream.h"
#include "builder/layers/layer.h"

namespace lazybuild::layers {

class LayerSource final : public ByteSource {
  public:
    /// `size_bytes` of the disk from `offset_bytes` on. Errors of reading: those of read_disk.
    LayerSource(LayerPointer layer, std::uint64_t offset_bytes, std::uint64_t size_bytes)
        : layer_(std::move(layer)), offset_bytes_(offset_bytes), left_bytes_(size_bytes) {}

    Result<std::size_t> read(MutableByteView out) override;

  private:
    const LayerPointer layer_;
    std::uint64_t offset_bytes_;  ///< of what is read next
    std::uint64_t left_bytes_;    ///< from there on
    Bytes buffer_;
    std::size_t taken_bytes_ = 0;  ///< of the buffer
};

}  // namespace lazybuild::layers
