// SPDX-License-Identifier: Apache-2.0
// `lazy-snapshotter --check`: what this kernel and this host can do (host_support.h), and what that
// means.
#pragma once

#include <string>
#include <vector>

#include "fuse/host_support.h"

namespace lazybuild::service {

/// One line for each feature, and a last one with the verdict. For people.
std::string check_report(const std::vector<fuse::HostFeature>& features);

/// Layers can be served lazily.
bool is_usable(const std::vector<fuse::HostFeature>& features);

}  // namespace lazybuild::service
