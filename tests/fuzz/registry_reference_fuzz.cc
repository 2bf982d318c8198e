// SPDX-License-Identifier: Apache-2.0
// Image references and URLs: what is accepted must read back as itself.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "snapshotter/registry/reference.h"
#include "snapshotter/registry/url.h"

namespace lazybuild::registry {
namespace {

void check(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void check_all(std::string_view text) {
    if (const auto reference = Reference::parse(text)) {
        const auto again = Reference::parse(reference->text());
        check(again && *again == *reference);
        check(check_repository(reference->repository).has_value());
        check(registry_origin(reference->repository.host, true).has_value());
    }
    if (const auto url = parse_url(text)) {
        const auto again = parse_url(url->text());
        check(again && *again == *url);
        check(url->target.find_first_of(" \r\n") == std::string::npos);
    }
    const Url base = *parse_url("https://registry.example/v2/a/blobs/uploads/?state=1");
    if (const auto url = resolve_url(base, text)) {
        check(url->target.starts_with('/'));
        check(parse_url(url->text()).has_value());
    }
}

}  // namespace
}  // namespace lazybuild::registry

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    lazybuild::registry::check_all({reinterpret_cast<const char*>(data), size});
    return 0;
}
