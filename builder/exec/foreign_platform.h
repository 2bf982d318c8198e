// SPDX-License-Identifier: Apache-2.0
// Whether commands for a platform can run here: the host's own, what its processor also runs, and
// what a user-mode emulator is registered for (binfmt_misc).
//
// Source: Linux Documentation/admin-guide/binfmt-misc.rst. Threads: any.
#pragma once

#include <string>

#include "base/result.h"
#include "codec/oci_platform.h"

namespace lazybuild::exec {

/// Errors: not_supported, naming the platform and what to install.
Result<void> check_platform(const codec::Platform& wanted,
                            const std::string& binfmt_directory = "/proc/sys/fs/binfmt_misc");

}  // namespace lazybuild::exec
