// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>
#include <charconv>

#include "snapshotter/registry/text.h"

namespace lazybuild::registry {
namespace {

constexpr std::string_view kDockerRegistry = "registry-1.docker.io";

std::string_view without_query(std::string_view text) {
    return text.substr(0, text.find_first_of("?#"));
}

Error bad_url(std::string_view text, std::string_view why) {
    constexpr std::size_t kShownBytesMax = 200;
    return corrupt(
        fmt::format("bad URL \"{}\": {}", without_query(text).substr(0, kShownBytesMax), why));
}

bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~").find(c) != std::string_view::npos;
}

void append_encoded(std::string& out, char c) {
    fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
}

// Registries and storage services put characters into Location that no URI may hold (spaces,
// quotes, '|', UTF-8). They mean them literally, so they are encoded rather than refused.
std::string encode_illegal(std::string_view text) {
    constexpr std::string_view kReservedAndPercent = ":/?#[]@!$&'()*+,;=%";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (is_unreserved(c) || kReservedAndPercent.find(c) != std::string_view::npos) {
            out += c;
        } else {
            append_encoded(out, c);
        }
    }
    return out;
}

Result<std::uint16_t> port_number(std::string_view text, bool tls) {
    if (text.empty()) {
        return tls ? 443 : 80;
    }
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0) {
        return fail(invalid(fmt::format("\"{}\" is not a port", text)));
    }
    return port;
}

Result<Url> from_parts(const boost::urls::url_view_base& parts, std::string_view text) {
    const bool tls = parts.scheme_id() == boost::urls::scheme::https;
    if (!tls && parts.scheme_id() != boost::urls::scheme::http) {
        return fail(bad_url(text, "only http and https are spoken here"));
    }
    if (parts.has_userinfo()) {
        return fail(bad_url(text, "a user name in a URL is refused"));
    }
    Url url;
    url.origin.tls = tls;
    // host_address is without the brackets of an IPv6 address; zones ("fe80::1%eth0") stay out.
    url.origin.host = lower_case(std::string(parts.host_address()));
    const bool is_ipv6 = parts.host_type() == boost::urls::host_type::ipv6;
    const bool host_is_plain = !url.origin.host.empty() &&
                               url.origin.host.size() <= kHostBytesMax &&
                               std::ranges::all_of(url.origin.host, [is_ipv6](char c) {
                                   return is_unreserved(c) || (is_ipv6 && c == ':');
                               });
    if (!host_is_plain) {
        return fail(bad_url(text, "it has no usable host"));
    }
    auto port = port_number(std::string(parts.port()), tls);
    if (!port) {
        return fail(bad_url(text, port.error().message));
    }
    url.origin.port = *port;
    url.target = std::string(parts.encoded_path());
    if (url.target.empty()) {
        url.target = "/";
    }
    // Boost.URL 1.81 reads "https://a:b/" as host "a", no port, and path "b/".
    if (!url.target.starts_with('/')) {
        return fail(bad_url(text, "it has no usable port"));
    }
    if (parts.has_query()) {
        url.target += "?" + std::string(parts.encoded_query());
    }
    return url;
}

}  // namespace

std::string Origin::authority() const {
    const bool is_ipv6 = host.find(':') != std::string::npos;
    std::string text = is_ipv6 ? "[" + host + "]" : host;
    if (port != (tls ? 443 : 80)) {
        text += ":" + std::to_string(port);
    }
    return text;
}

std::string Url::redacted() const {
    return origin.text() + std::string(without_query(target));
}

Url Url::with_query(std::string_view key, std::string_view value) const {
    Url result = *this;
    result.target += result.target.find('?') == std::string::npos ? '?' : '&';
    result.target += percent_encode(key) + "=" + percent_encode(value);
    return result;
}

Result<Url> parse_url(std::string_view text) {
    if (text.size() > kUrlBytesMax) {
        return fail(bad_url(text, "it is too long"));
    }
    const std::string legal = encode_illegal(text);
    const auto parsed = boost::urls::parse_uri(legal);
    if (!parsed) {
        return fail(bad_url(text, "it is not an absolute URL"));
    }
    return from_parts(*parsed, text);
}

Result<Url> resolve_url(const Url& base, std::string_view location) {
    if (location.size() > kUrlBytesMax) {
        return fail(bad_url(location, "it is too long"));
    }
    const std::string legal = encode_illegal(location);
    const std::string base_text = base.text();
    const auto base_parsed = boost::urls::parse_uri(base_text);
    const auto parsed = boost::urls::parse_uri_reference(legal);
    if (!base_parsed || !parsed) {
        return fail(bad_url(location, "it is not a URL"));
    }
    boost::urls::url absolute;
    if (!boost::urls::resolve(*base_parsed, *parsed, absolute)) {
        return fail(bad_url(location, "it cannot be resolved"));
    }
    return from_parts(absolute, location);
}

Result<Origin> registry_origin(std::string_view host, bool tls) {
    if (host == "docker.io") {
        host = kDockerRegistry;
    }
    const std::size_t colon = host.rfind(':');
    const std::size_t bracket = host.rfind(']');
    const bool has_port =
        colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
    std::string_view name = has_port ? host.substr(0, colon) : host;
    if (name.starts_with('[') && name.ends_with(']')) {
        name = name.substr(1, name.size() - 2);
    }
    if (name.empty()) {
        return fail(invalid(fmt::format("\"{}\" is not a registry host[:port]", host)));
    }
    TRY(const std::uint16_t port,
        port_number(has_port ? host.substr(colon + 1) : std::string_view{}, tls));
    return Origin{.tls = tls, .host = lower_case(std::string(name)), .port = port};
}

std::string percent_encode(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (is_unreserved(c)) {
            out += c;
        } else {
            append_encoded(out, c);
        }
    }
    return out;
}

}  // namespace lazybuild::registry
