// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "base/file.h"
#include "builder/files/context.h"
#include "builder/files/git.h"
#include "builder/files/local_view.h"

namespace lazybuild::files {

Result<RemoteFiles> fetch_git(const graph::GitStep& step, const std::string& cache_directory,
                              image::Session& session, const SecretReader& secrets,
                              const std::string& ssh_agent) {
    CHECK_OK(make_directories(cache_directory));
    TRY(Credential credential, git_credential(secrets, step.remote));
    TRY(const GitCheckout checkout, check_out(step, {.cache_directory = cache_directory,
                                                     .credential = std::move(credential),
                                                     .ssh_agent = ssh_agent,
                                                     .cancel = session.wait().cancel}));
    // Submodules have a file .git each; a repository cannot hold another file of that name.
    LocalView view{.plain_modes = true};
    if (step.commit_times) {
        view.mtime_s = checkout.committed_at_s;
    }
    RemoteFiles remote{.identity = checkout.commit, .files = {}, .time_s = checkout.committed_at_s};
    TRY(remote.files, open_local_view({.directory = checkout.directory,
                                       .ignore_text = step.keep_git_directory ? "" : "**/.git",
                                       .ignore_name = "the fetch",
                                       .stat_index = {},
                                       .workers = &session.pool()},
                                      view));
    return remote;
}

}  // namespace lazybuild::files
