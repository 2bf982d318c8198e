// SPDX-License-Identifier: Apache-2.0
// Error bodies, token answers, docker's config.json and what credential helpers print.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "snapshotter/registry/base64.h"
#include "snapshotter/registry/credentials.h"
#include "snapshotter/registry/wire_json.h"

namespace {

void check(bool holds) {
    if (!holds) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::string line = lazybuild::registry::error_text(lazybuild::as_bytes(text));
    check(line.size() <= 300 && line.find('\n') == std::string::npos);
    if (const auto token = lazybuild::registry::parse_token_answer(lazybuild::as_bytes(text))) {
        check(!token->token.empty() && token->lifetime.count() >= 60);
    }
    if (const auto config = lazybuild::registry::parse_docker_config(text)) {
        static_cast<void>(
            lazybuild::registry::match_config(*config, {"r.example:5000", "team/app"}));
    }
    if (const auto credential = lazybuild::registry::parse_helper_answer(text)) {
        check(!credential->password.empty() || !credential->identity_token.empty());
    }
    if (const auto bytes = lazybuild::registry::base64_decode(text)) {
        check(lazybuild::registry::base64_decode(lazybuild::registry::base64_encode(*bytes)) ==
              *bytes);
    }
    return 0;
}
