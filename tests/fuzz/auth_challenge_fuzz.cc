// SPDX-License-Identifier: Apache-2.0
// WWW-Authenticate and Retry-After, as anybody may send them.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "snapshotter/registry/authorizer.h"
#include "snapshotter/registry/challenge.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto challenge = lazybuild::registry::choose_challenge({text})) {
        const auto scopes =
            lazybuild::registry::join_scopes({"repository:library/python:pull"}, challenge->scope);
        if (scopes.empty()) {
            std::abort();
        }
    }
    const auto pause = lazybuild::registry::parse_retry_after(
        text, std::chrono::system_clock::from_time_t(1'700'000'000));
    if (pause && (pause->count() < 0 || pause->count() > 86'400)) {
        std::abort();
    }
    return 0;
}
