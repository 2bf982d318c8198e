// SPDX-License-Identifier: Apache-2.0
// Names of images in registries: "[host[:port]/]name[:tag][@digest]", as users type them, checked
// once here so that every part may go into a URL without another look.
//
// A name without a host is Docker Hub's: "python" is docker.io/library/python, and index.docker.io
// is docker.io. The first component is a host when it has a '.' or a ':', or is "localhost".
//
// Sources: distribution/reference's grammar (regexp.go, normalize.go); OCI distribution-spec v1.1,
// "Pulling manifests" for the limits of names and tags.
#pragma once

#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/digest.h"

namespace lazybuild::registry {

inline constexpr std::size_t kRepositoryNameBytesMax = 255;
inline constexpr std::size_t kTagBytesMax = 128;
inline constexpr std::size_t kHostBytesMax = 261;  ///< 255 of a DNS name, ':' and a port

/// One repository of one registry.
struct Repository {
    std::string host;  ///< as written: "docker.io", "127.0.0.1:5000", "[::1]:5000"
    std::string name;  ///< without the host: "library/python"

    /// "[host/]name" without tag and digest. Errors: invalid_argument, naming `text`.
    static Result<Repository> parse(std::string_view text);

    std::string text() const { return host + "/" + name; }
    auto operator<=>(const Repository&) const = default;
};

/// One image. `tag` is "latest" when neither a tag nor a digest was written, and empty when only a
/// digest was; with both, the digest decides and the tag is for people.
struct Reference {
    Repository repository;
    std::string tag;
    std::optional<codec::Digest> digest;

    /// Errors: invalid_argument, naming `text` and what is wrong with it.
    static Result<Reference> parse(std::string_view text);

    /// What a request names the manifest by: the digest if there is one, else the tag.
    std::string tag_or_digest() const { return digest ? digest->text() : tag; }
    /// The full name, with host, tag and digest. parse(text()) gives the same Reference.
    std::string text() const;
    auto operator<=>(const Reference&) const = default;
};

/// A legal tag: [A-Za-z0-9_] and up to 127 of [A-Za-z0-9_.-].
bool is_valid_tag(std::string_view tag);

/// For a Repository that was put together by hand rather than parsed: host and name are what the
/// grammar allows, so that they may go into a URL. Errors: invalid_argument.
Result<void> check_repository(const Repository& repository);

/// localhost, 127.0.0.0/8 or ::1, with or without a port: registries that speak plain HTTP unless
/// told otherwise.
bool is_loopback_host(std::string_view host);

}  // namespace lazybuild::registry
