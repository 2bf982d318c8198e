// SPDX-License-Identifier: Apache-2.0
// What this kernel and this host can do, found out by doing it: for `--check`, and for error
// messages that say what is missing.
#pragma once

#include <string>
#include <vector>

namespace lazybuild::fuse {

struct HostFeature {
    std::string name;    ///< "EROFS mounts of files"
    bool works = false;  ///< as well as it should
    bool needed = true;  ///< nothing is served lazily without it; otherwise it is only slower
    std::string detail;  ///< what was found, and where it does not work, what to do
};

/// Tries everything that lazy mounts need, one after the other. `directory` is where the daemon
/// keeps its state: mounts are tried in a temporary directory in it, which is removed again. Takes
/// a fraction of a second; needs root for most of it, and says so in `detail`. Never fails itself.
std::vector<HostFeature> probe_host(const std::string& directory);

}  // namespace lazybuild::fuse
