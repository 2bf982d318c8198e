// SPDX-License-Identifier: Apache-2.0
// Several pieces of one command's work at once, and how people are told about them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "builder/image/session.h"
#include "codec/digest.h"

namespace lazybuild::image {

/// Runs `tasks`, Session::jobs() at a time. The first failure ends the others through the session's
/// wait, and is the Error.
io::Task<Result<void>> run_all(Session& session, std::vector<io::Task<Result<void>>> tasks);

/// "31.4 MB": powers of 1000, as registries and disks count.
std::string size_text(std::uint64_t size_bytes);
/// Text from an image with its control characters spelt out: it must not steer the terminal.
std::string printable(std::string_view text);
/// "sha256:6c3c624b58db": enough to tell blobs of one image apart.
std::string short_digest(const codec::Digest& digest);

}  // namespace lazybuild::image
