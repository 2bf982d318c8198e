// SPDX-License-Identifier: Apache-2.0
// Build contexts: a directory of the host with its ignore file, a tar (stdin, http), a git
// repository, one file from http. All of them become a FileSource.
//
// A local directory is looked at only where the build looks; what a file's bytes hash to is kept in
// the stat index (stat_index.h), so that an unchanged file is not read again. Its files are 0:0.
// Everything is opened below a directory descriptor (openat2, RESOLVE_BENEATH), special files are
// never opened.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/workers.h"
#include "builder/files/credentials.h"
#include "builder/graph/step.h"
#include "builder/image/session.h"
#include "builder/layers/file_source.h"

namespace lazybuild::files {

struct LocalContextOptions {
    std::string directory;
    std::string ignore_text;     ///< contents of the ignore file; "" for none
    std::string ignore_name;     ///< for messages: ".dockerignore"
    std::string stat_index;      ///< path of the database, made when missing; "" for none
    Workers* workers = nullptr;  ///< help to hash; outlive the context; nullptr: nobody does
};
/// What it returns may be called from any threads at once. The stat index is written when it goes.
/// Sockets are left out, and of xattrs all but user.*, security.capability and POSIX ACLs.
/// Errors: not_a_directory and those of opening it; bad_message for the ignore file, with its line.
Result<std::unique_ptr<layers::FileSource>> open_local_context(const LocalContextOptions& options);

struct IgnoreFile {
    std::string name;  ///< as messages say it: ".dockerignore"
    std::string text;
};
/// The ignore file of a local context, the first of these that is there: `chosen` (--ignorefile, a
/// path; it must be), "<dockerfile>.dockerignore", and in the context ".containerignore" and
/// ".dockerignore". nullopt when there is none. `dockerfile`: its path, "" for one that has none.
/// Errors: those of reading it; over_limit.
Result<std::optional<IgnoreFile>> find_ignore_file(const std::string& context,
                                                   const std::string& dockerfile,
                                                   const std::string& chosen);

/// An archive (plain, gzip, bzip2, xz, zstd). Its names stay names: nothing is unpacked; its bytes
/// are kept in one file without a name in `directory`, as long as what is returned.
/// Errors: bad_message for what is none, over_limit, errno.
Result<std::unique_ptr<layers::FileSource>> open_tar_context(ByteSource& archive,
                                                             const std::string& directory);

/// What a remote place holds now; the key that a step of it has. `secrets` may be empty. Blocks;
/// not on the reactor's thread.
struct RemoteFiles {
    std::string identity;  ///< commit, or digest and attributes of the file
    std::unique_ptr<layers::FileSource> files;
    /// Of the commit, or Last-Modified; nullopt when the server has not said it.
    std::optional<std::int64_t> time_s = std::nullopt;
};
/// `cache_directory` is made when it is missing, and may be shared by any number of processes.
/// Errors: those of check_out (git.h).
/// `ssh_agent`: the socket of the agent for remotes of ssh; "" for the one of the environment.
Result<RemoteFiles> fetch_git(const graph::GitStep& step, const std::string& cache_directory,
                              image::Session& session, const SecretReader& secrets,
                              const std::string& ssh_agent = {});
/// One file, fetched again only when its server says that it has changed (ETag, Last-Modified; RFC
/// 9110). Errors: bad_message for another checksum; protocol_error with the status of another
/// answer than 200; invalid_argument; over_limit; those of registry::Transport. None has a secret
/// in it.
Result<RemoteFiles> fetch_http(const graph::HttpStep& step, const std::string& cache_directory,
                               image::Session& session, const SecretReader& secrets);

}  // namespace lazybuild::files
