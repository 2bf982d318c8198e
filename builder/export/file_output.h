// SPDX-License-Identifier: Apache-2.0
// The files of a build's result themselves: as a tar, or in a directory of the host.
// Threads: any but the reactor's; all block.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/stream.h"
#include "builder/layers/file_source.h"

namespace lazybuild::exporter {

struct FileOptions {
    std::optional<std::int64_t> epoch_s;  ///< the time of all files, instead of their own
    std::string directory;                ///< below which they are put: "linux_amd64", or ""
    bool delete_others = false;           ///< in a directory: what is not among the files goes
    /// Asked before each file; its Error ends the writing.
    std::function<Result<void>()> may_go_on = [] { return Result<void>{}; };
};

/// All files, sorted by path; equal files are equal bytes. Without the archive's end
/// (codec::tar_end), so that several can follow each other. Errors: those of `files` and `out`,
/// naming the file.
Result<void> write_files_as_tar(layers::FileSource& files, const FileOptions& options,
                                ByteSink& out);

enum class Stays : std::uint8_t { no, whole, as_file, as_directory };
/// Removes what is in `directory` and does not stay, and below directories that stay as such.
/// `stays` is asked with paths from there. No symlink is followed. Missing is fine; "/" is an
/// Error, invalid_argument.
Result<void> remove_others(const std::string& directory,
                           const std::function<Result<Stays>(const std::string& path)>& stays);

/// Into `directory`, which is made when it is not there; then it appears when it is complete.
/// What is there already stays unless a file of the same name comes; no symlink in it is followed.
/// Owners, devices and security attributes are kept by root alone. Errors: naming the file;
/// is_a_directory where a file is to be and a directory is.
Result<void> write_files(layers::FileSource& files, const FileOptions& options,
                         const std::string& directory);

}  // namespace lazybuild::exporter
