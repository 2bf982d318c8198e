// SPDX-License-Identifier: Apache-2.0
// Archives of images that users hand in, read through libarchive and made into an OCI layout in a
// temporary directory. No name in an archive ever becomes a path: files of a layout are known by
// their form, others are kept under numbers. The tar may be compressed (gzip, zstd, xz, bzip2).
//
// Sources: OCI image-spec v1.1 image-layout.md; Docker image-spec v1.2 "Combined Image JSON +
// Filesystem Changeset Format" for what `docker save` writes.
//
// Errors: bad_message for what is no such archive, over_limit, operation_canceled; errno of files.
// All block on the disk. Threads: any.
#pragma once

#include <string>

#include "base/result.h"
#include "builder/image/oci_layout.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::image {

inline constexpr std::size_t kArchiveEntriesMax = 100'000;
inline constexpr std::uint64_t kArchiveBytesMax = std::uint64_t{1} << 40;  ///< unpacked

/// Unpacks `file` into `directory`, which is empty.
Result<OciLayout> unpack_oci_archive(const std::string& file, const std::string& directory,
                                     const io::CancelToken& cancel);

/// Makes a layout with one image, without a name, of what `docker save` wrote. `tag` chooses among
/// several. Layers are taken as they are, compressed or not.
Result<OciLayout> unpack_docker_archive(const std::string& file, const std::string& tag,
                                        const std::string& directory,
                                        const io::CancelToken& cancel);

}  // namespace lazybuild::image
