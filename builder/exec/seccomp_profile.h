// SPDX-License-Identifier: Apache-2.0
// Which system calls a step may make: the default profile of containerd, as tables.
//
// Facts: containerd's contrib/seccomp, with what it has learned since: io_uring is not allowed, and
// calls that are newer than the table give ENOSYS instead of EPERM, so that a newer libc falls back
// to what it used before (fchmodat2, for one).
#pragma once

#include <span>
#include <string_view>

namespace lazybuild::exec {

/// Allowed whatever their arguments. `clone`, `clone3` and `personality` are not among them: rules
/// for those look at arguments (runtime_spec.cc).
std::span<const char* const> seccomp_allowed();
/// EPERM. What is in no table gives ENOSYS.
std::span<const char* const> seccomp_denied();
/// Allowed on one architecture besides; "amd64", "arm64".
std::span<const char* const> seccomp_allowed_on(std::string_view architecture);
/// As libseccomp names them, the host's and those it also runs; empty where we know none.
std::span<const char* const> seccomp_architectures(std::string_view architecture);

}  // namespace lazybuild::exec
