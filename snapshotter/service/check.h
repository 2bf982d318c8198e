// SPDX-License-Identifier: Apache-2.0
// `lazy-snapshotter --check`: what this kernel and this host can do, and what that means.
#pragma once

#include <string>
#include <vector>

#include "fuse/host_support.h"
#include "snapshotter/service/config.h"

namespace lazybuild::service {

/// Tries everything the daemon needs, in the state directory of `config`. Takes a fraction of a
/// second; needs root for most of it.
std::vector<fuse::HostFeature> check_host(const Config& config);

/// One line for each feature, and a last one with the verdict. For people.
std::string check_report(const std::vector<fuse::HostFeature>& features);

/// Layers can be served lazily.
bool is_usable(const std::vector<fuse::HostFeature>& features);

}  // namespace lazybuild::service
