// SPDX-License-Identifier: Apache-2.0
// Build contexts: a directory of the host with its ignore file, a tar (stdin, http), a git
// repository, one file from http. All of them become a FileSource.
//
// A local directory is looked at only where the build looks; what a file's bytes hash to is kept in
// the stat index (stat_index.h), so that an unchanged file is not read again. Its files are 0:0.
// Everything is opened below a directory descriptor (openat2, RESOLVE_BENEATH), special files are
// never opened.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/graph/step.h"
#include "builder/image/session.h"
#include "builder/layers/file_source.h"

namespace lazybuild::files {

struct LocalContextOptions {
    std::string directory;
    std::string ignore_text;  ///< contents of the ignore file; "" for none
    std::string ignore_name;  ///< for messages: ".dockerignore"
    std::string stat_index;   ///< path of the database; "" for none
};
/// Errors: not_a_directory and those of opening it; bad_message for the ignore file, with its line.
Result<std::unique_ptr<layers::FileSource>> open_local_context(const LocalContextOptions& options);

/// An archive (plain, gzip, bzip2, xz, zstd), unpacked below `directory` (a build directory).
Result<std::unique_ptr<layers::FileSource>> open_tar_context(ByteSource& archive,
                                                             const std::string& directory);

/// What a remote place holds now; the key that a step of it has. Blocks; not on the reactor's
/// thread.
struct RemoteFiles {
    std::string identity;  ///< commit, or digest and attributes of the file
    std::unique_ptr<layers::FileSource> files;
};
Result<RemoteFiles> fetch_git(const graph::GitStep& step, const std::string& cache_directory,
                              image::Session& session);
Result<RemoteFiles> fetch_http(const graph::HttpStep& step, const std::string& cache_directory,
                               image::Session& session);

}  // namespace lazybuild::files
