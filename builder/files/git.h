// SPDX-License-Identifier: Apache-2.0
// A commit of a remote repository as a directory. git itself does it, and is told as little as
// possible: no hooks, no configuration but ours, no questions, only transports that fetch.
// Not for other rooms.
//
// What a stranger wrote is an argument to git only after "--" or where no option can stand.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "builder/files/credentials.h"
#include "builder/graph/step.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::files {

struct GitOptions {
    std::string cache_directory;  ///< existing
    /// Those git may use, submodules included: as GIT_ALLOW_PROTOCOL has them.
    std::string protocols = "https:http:ssh:git";
    /// For the remote, and submodules of the same origin. No redirect is followed with it: git
    /// would take it along to other hosts.
    Credential credential;
    std::string ssh_agent;  ///< its socket; "": SSH_AUTH_SOCK of the environment
    io::CancelToken cancel;
};

struct GitCheckout {
    std::string commit;
    std::string directory;  ///< on the host, with step.directory: no symlink of the repository
    std::int64_t committed_at_s = 0;
};

/// The commit's files, from the cache if they are there. Blocks, as long as git does; threads: any.
/// Errors: invalid_argument for what is no remote, reference, directory or checksum, or when the
/// commit is not the one that the checksum says; no_such_file_or_directory when the repository has
/// no such reference or directory; io_error with what git said; timed_out, operation_canceled.
Result<GitCheckout> check_out(const graph::GitStep& step, const GitOptions& options);

}  // namespace lazybuild::files
