// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/reference.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace lazybuild::registry {
namespace {

constexpr std::string_view kDockerHost = "docker.io";
constexpr std::string_view kDockerLegacyHost = "index.docker.io";
constexpr std::string_view kDockerOfficialPrefix = "library/";
constexpr std::size_t kDigestHexDigits = 2 * codec::Digest::kSizeBytes;
// A host, '/', a name, ':' and a tag, '@' and "sha256:" with its digits.
constexpr std::size_t kReferenceBytesMax =
    kHostBytesMax + 1 + kRepositoryNameBytesMax + 1 + kTagBytesMax + 8 + kDigestHexDigits;

// std::isalnum and its like ask the locale; the grammar is ASCII.
bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_alphanumeric(char c) {
    return is_lower(c) || is_upper(c) || is_digit(c);
}

// domain-component: letters, digits and inner dashes.
bool is_host_label(std::string_view label) {
    return !label.empty() && label.front() != '-' && label.back() != '-' &&
           std::ranges::all_of(label, [](char c) { return is_alphanumeric(c) || c == '-'; });
}

bool is_host_name(std::string_view name) {
    while (true) {
        const std::size_t dot = name.find('.');
        if (!is_host_label(name.substr(0, dot))) {
            return false;
        }
        if (dot == std::string_view::npos) {
            return true;
        }
        name.remove_prefix(dot + 1);
    }
}

bool is_bracketed_ipv6(std::string_view text) {
    if (text.size() < 4 || text.front() != '[' || text.back() != ']') {
        return false;
    }
    const std::string inside(text.substr(1, text.size() - 2));
    in6_addr address{};
    return inet_pton(AF_INET6, inside.c_str(), &address) == 1;
}

bool is_port(std::string_view text) {
    unsigned port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc{} && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

struct HostPort {
    std::string_view host;  // IPv6 with its brackets
    std::optional<std::string_view> port;
};

HostPort split_port(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    const std::size_t bracket = text.rfind(']');
    const bool has_port =
        colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
    if (!has_port) {
        return {text, std::nullopt};
    }
    return {text.substr(0, colon), text.substr(colon + 1)};
}

bool is_host(std::string_view text) {
    if (text.empty() || text.size() > kHostBytesMax) {
        return false;
    }
    const HostPort parts = split_port(text);
    if (parts.port && !is_port(*parts.port)) {
        return false;
    }
    return is_host_name(parts.host) || is_bracketed_ipv6(parts.host);
}

// path-component: runs of [a-z0-9], joined by one '.', one or two '_', or any number of '-'.
bool is_name_component(std::string_view text) {
    const auto is_word = [](char c) { return is_lower(c) || is_digit(c); };
    if (text.empty() || !is_word(text.front()) || !is_word(text.back())) {
        return false;
    }
    for (std::size_t i = 0; i < text.size();) {
        const char c = text[i];
        const std::size_t run = std::min(text.find_first_not_of(c, i), text.size()) - i;
        const bool fits =
            is_word(c) || c == '-' || (c == '.' && run == 1) || (c == '_' && run <= 2);
        if (!fits) {
            return false;
        }
        i += run;
        // Two different separators in a row ("a.-b") are none of the three.
        if (!is_word(c) && !is_word(text[i])) {
            return false;
        }
    }
    return true;
}

bool is_name(std::string_view name) {
    if (name.size() > kRepositoryNameBytesMax) {
        return false;
    }
    while (true) {
        const std::size_t slash = name.find('/');
        if (!is_name_component(name.substr(0, slash))) {
            return false;
        }
        if (slash == std::string_view::npos) {
            return true;
        }
        name.remove_prefix(slash + 1);
    }
}

Error bad_reference(std::string_view text, std::string_view why) {
    constexpr std::size_t kShownBytesMax = 300;
    return invalid(
        fmt::format("\"{}\" is not an image reference: {}", text.substr(0, kShownBytesMax), why));
}

// "[host/]name", normalised. `whole` is what the user typed, for messages.
Result<Repository> parse_name(std::string_view text, std::string_view whole) {
    const std::size_t slash = text.find('/');
    const std::string_view first = text.substr(0, slash);
    const bool has_host = slash != std::string_view::npos &&
                          (first.find_first_of(".:") != std::string_view::npos ||
                           first == "localhost" || std::ranges::any_of(first, is_upper));
    Repository repository;
    repository.host = has_host ? first : kDockerHost;
    repository.name = has_host ? text.substr(slash + 1) : text;
    if (repository.host == kDockerLegacyHost) {
        repository.host = kDockerHost;
    }
    if (!has_host && text.size() == kDigestHexDigits && std::ranges::all_of(text, is_hex)) {
        return fail(bad_reference(whole, "64 hexadecimal digits are an image ID, not a name"));
    }
    if (repository.host == kDockerHost && repository.name.find('/') == std::string::npos) {
        repository.name.insert(0, kDockerOfficialPrefix);
    }
    if (auto checked = check_repository(repository); !checked) {
        return fail(bad_reference(whole, checked.error().message));
    }
    return repository;
}

}  // namespace

Result<void> check_repository(const Repository& repository) {
    if (!is_host(repository.host)) {
        return fail(invalid(fmt::format("\"{}\" is not a registry host[:port]",
                                        repository.host.substr(0, kHostBytesMax))));
    }
    if (repository.name.size() > kRepositoryNameBytesMax) {
        return fail(invalid(
            fmt::format("the repository name is longer than {} bytes", kRepositoryNameBytesMax)));
    }
    if (!is_name(repository.name)) {
        return fail(
            invalid(fmt::format("\"{}\" is not a repository name (lower-case letters and "
                                "digits, joined by '/', '.', '_', '__' or '-')",
                                repository.name)));
    }
    return {};
}

bool is_valid_tag(std::string_view tag) {
    const auto is_word = [](char c) { return is_alphanumeric(c) || c == '_'; };
    return !tag.empty() && tag.size() <= kTagBytesMax && is_word(tag.front()) &&
           std::ranges::all_of(tag, [&](char c) { return is_word(c) || c == '.' || c == '-'; });
}

bool is_loopback_host(std::string_view host) {
    const std::string_view name = split_port(host).host;
    if (name == "localhost" || name == "[::1]") {
        return true;
    }
    in_addr address{};
    const bool is_ipv4 = inet_pton(AF_INET, std::string(name).c_str(), &address) == 1;
    return is_ipv4 && (ntohl(address.s_addr) >> 24) == 127;
}

Result<Repository> Repository::parse(std::string_view text) {
    if (text.size() > kReferenceBytesMax) {
        return fail(bad_reference(text, "it is too long"));
    }
    return parse_name(text, text);
}

Result<Reference> Reference::parse(std::string_view text) {
    if (text.empty() || text.size() > kReferenceBytesMax) {
        return fail(bad_reference(text, text.empty() ? "it is empty" : "it is too long"));
    }
    Reference reference;
    std::string_view rest = text;
    if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
        auto digest = codec::Digest::parse(rest.substr(at + 1));
        if (!digest) {
            return fail(bad_reference(text, digest.error().message));
        }
        reference.digest = *digest;
        rest = rest.substr(0, at);
    }
    const std::size_t last_slash = rest.rfind('/');
    const std::size_t last_colon = rest.rfind(':');
    const bool has_tag = last_colon != std::string_view::npos &&
                         (last_slash == std::string_view::npos || last_colon > last_slash);
    if (has_tag) {
        reference.tag = rest.substr(last_colon + 1);
        rest = rest.substr(0, last_colon);
        if (!is_valid_tag(reference.tag)) {
            return fail(bad_reference(text, fmt::format("\"{}\" is not a tag", reference.tag)));
        }
    } else if (!reference.digest) {
        reference.tag = "latest";
    }
    TRY(reference.repository, parse_name(rest, text));
    return reference;
}

std::string Reference::text() const {
    std::string whole = repository.text();
    if (!tag.empty()) {
        whole += ":" + tag;
    }
    if (digest) {
        whole += "@" + digest->text();
    }
    return whole;
}

}  // namespace lazybuild::registry
