// SPDX-License-Identifier: Apache-2.0
// What the benchmarks work on: real bytes of this machine, so that ratios are those of real
// programs and texts, and trees of any size. Figures compare within one run, never across machines.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "codec/file_tree.h"

namespace lazybuild::bench {

/// The beginnings of the programs and libraries of this machine, `kRealBytes` in all: about what
/// the layers of an image hold. The same object each time; ends the program if there is nothing.
inline constexpr std::size_t kRealBytes = 16u << 20;
const Bytes& real_bytes();

/// One gzip member by zlib at `level`.
Bytes zlib_gzip(ByteView content, int level);

/// A tar layer: `files` regular files of `file_bytes` each, twenty to a directory.
Bytes tar_of_files(std::size_t files, std::size_t file_bytes);

/// The table of contents of an eStargz blob, as the registry gives it.
struct BlobTail {
    Bytes toc_members;
    std::uint64_t toc_offset_bytes = 0;
};
/// Of tar_of_files().
BlobTail estargz_tail_of_files(std::size_t files, std::size_t file_bytes);

/// What a benchmark cannot go on without; ends the program with `error`'s message.
[[noreturn]] void give_up(const std::string& why);
template <class T>
T value_of(Result<T> result) {
    if (!result) {
        give_up(result.error().message);
    }
    return std::move(*result);
}
inline void check(const Result<void>& result) {
    if (!result) {
        give_up(result.error().message);
    }
}

}  // namespace lazybuild::bench
