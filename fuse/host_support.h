// SPDX-License-Identifier: Apache-2.0
// What this kernel and this host can do, found out by doing it: for `--check`, and for error
// messages that say what is missing.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "fuse/mounts.h"

namespace lazybuild::fuse {

struct HostFeature {
    std::string name;    ///< "EROFS mounts of files"
    bool works = false;  ///< as well as it should
    bool needed = true;  ///< nothing is served lazily without it; otherwise it is only slower
    std::string detail;  ///< what was found, and where it does not work, what to do
};

/// How EROFS is mounted here: of files where that works, else of loop devices; or as `forced` says.
/// Found out by mounting, in a temporary directory in `directory`. Errors: neither works, or not
/// what is forced.
Result<ErofsBacking> choose_erofs_backing(const std::string& directory,
                                          std::optional<ErofsBacking> forced);

/// After how long the kernel gives up a FUSE request, and with it the whole connection
/// (fs.fuse.max_request_timeout and default_request_timeout, Linux 6.14); nullopt: never.
std::optional<std::chrono::seconds> request_timeout();

/// Tries everything that lazy mounts need, one after the other. `directory` is where the daemon
/// keeps its state: mounts are tried in a temporary directory in it, which is removed again. Takes
/// a fraction of a second; needs root for most of it, and says so in `detail`. Never fails itself.
std::vector<HostFeature> probe_host(const std::string& directory,
                                    std::optional<ErofsBacking> forced = std::nullopt);

}  // namespace lazybuild::fuse
