// SPDX-License-Identifier: Apache-2.0
// A content digest, "sha256:<64 lower-case hex digits>", validated once, where it enters.
// Because a Digest is always valid, its text may become a path or a URL without another check.
//
// Source: OCI image-spec v1.1, descriptor.md "Digests". Only sha256 is accepted.
#pragma once

#include <array>
#include <compare>
#include <functional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace lazybuild::codec {

class Digest {
  public:
    static constexpr std::size_t kSizeBytes = 32;
    using Raw = std::array<std::byte, kSizeBytes>;

    Digest() = default;  ///< all zeros: no content has it
    explicit Digest(const Raw& raw) : raw_(raw) {}

    /// Errors: bad_message when `text` is not exactly sha256:<64 lower-case hex digits>.
    static Result<Digest> parse(std::string_view text);

    const Raw& raw() const { return raw_; }
    std::string hex() const { return to_hex(raw_); }
    std::string text() const { return "sha256:" + hex(); }

    auto operator<=>(const Digest&) const = default;

  private:
    Raw raw_{};
};

}  // namespace lazybuild::codec

template <>
struct std::hash<lazybuild::codec::Digest> {
    std::size_t operator()(const lazybuild::codec::Digest& digest) const noexcept {
        std::size_t value;
        std::memcpy(&value, digest.raw().data(), sizeof value);
        return value;
    }
};
