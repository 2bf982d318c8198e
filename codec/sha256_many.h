// SPDX-License-Identifier: Apache-2.0
// SHA-256 of many independent messages at once: each takes a lane of the vector registers, and the
// next message enters a lane as soon as one has ended. Three ways to do the same, the best for this
// CPU chosen at run time; all give the same digests. (FIPS 180-4.)
//
// For content that is one message, use sha256.h. Any number of threads may call these at once.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "codec/digest.h"

namespace lazybuild::codec {

enum class Sha256Kernel {
    openssl,  ///< one message after the other, as OpenSSL likes: with SHA-NI where the CPU has it
    avx2,     ///< 8 lanes
    avx512,   ///< 16 lanes
};

std::string_view sha256_kernel_name(Sha256Kernel kernel);

/// Those that this CPU and its kernel can run; openssl always, and first.
std::vector<Sha256Kernel> sha256_kernels_here();

/// Whether the CPU has SHA-NI.
bool sha256_instructions_here();

/// How to go about a batch.
struct Sha256Plan {
    Sha256Kernel kernel = Sha256Kernel::openssl;
    /// One stream of OpenSSL is as fast as this many lanes. When what is left of a batch takes
    /// lanes longer than a stream, it is finished as streams. 0: lanes to the end.
    double lanes_per_stream = 0;
};

/// For a kernel of one's choice, beside an OpenSSL that does or does not have SHA-NI.
Sha256Plan sha256_plan_for(Sha256Kernel kernel, bool sha_instructions);
/// The fastest here.
const Sha256Plan& sha256_plan_here();

/// digests[i] = the digest of messages[i]; as many of one as of the other. Message bodies are read
/// in place, at any alignment; the memory needed besides is some words per message.
void sha256_each(std::span<const ByteView> messages, std::span<Digest> digests);
/// The same with `plan`, whose kernel is one of sha256_kernels_here().
void sha256_each(const Sha256Plan& plan, std::span<const ByteView> messages,
                 std::span<Digest> digests);

}  // namespace lazybuild::codec
