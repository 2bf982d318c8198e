// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/port.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <optional>

#include "builder/dockerfile/text.h"

namespace lazybuild::graph {
namespace {

struct Range {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
};

std::optional<std::uint32_t> port_number(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value > 65535) {
        return std::nullopt;
    }
    return value;
}

std::optional<Range> port_range(std::string_view text) {
    const std::size_t dash = text.find('-');
    const auto first = port_number(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : port_number(text.substr(dash + 1));
    if (!first || !last || *last < *first) {
        return std::nullopt;
    }
    return Range{.first = *first, .last = *last};
}

bool is_address(std::string text) {
    if (text.starts_with('[') && text.ends_with(']')) {
        text = text.substr(1, text.size() - 2);
    }
    in6_addr address;
    return inet_pton(AF_INET, text.c_str(), &address) == 1 ||
           inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

// What stands before the container's port: "host port" or "ip:host port".
Result<void> check_host_part(std::string_view text, std::string_view container,
                             const Range& ports) {
    const std::size_t colon = text.rfind(':');
    const std::string_view host = colon == std::string_view::npos ? text : text.substr(colon + 1);
    if (colon != std::string_view::npos) {
        const std::string address(text.substr(0, colon));
        if (!address.empty() && !is_address(address)) {
            return fail(invalid(fmt::format("invalid IP address: {}", address)));
        }
    }
    if (host.empty()) {
        return {};
    }
    const auto host_ports = port_range(host);
    if (!host_ports) {
        return fail(invalid(fmt::format("invalid hostPort: {}", host)));
    }
    if (ports.last != ports.first &&
        ports.last - ports.first != host_ports->last - host_ports->first) {
        return fail(invalid(fmt::format(
            "invalid ranges specified for container and host Ports: {} and {}", container, host)));
    }
    return {};
}

}  // namespace

Result<std::vector<std::string>> parse_ports(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    std::string_view container = colon == std::string_view::npos ? text : text.substr(colon + 1);
    std::string_view protocol;
    if (const std::size_t slash = container.find('/'); slash != std::string_view::npos) {
        protocol = container.substr(slash + 1);
        container = container.substr(0, slash);
    }
    if (container.empty()) {
        return fail(invalid(fmt::format("invalid port: \"{}\": no port specified", text)));
    }
    const std::string name = protocol.empty() ? "tcp" : dockerfile::lower_case(protocol);
    if (name != "tcp" && name != "udp" && name != "sctp") {
        return fail(
            invalid(fmt::format("invalid port: \"{}\": invalid proto: {}", text, protocol)));
    }
    const auto range = port_range(container);
    if (!range) {
        return fail(invalid(fmt::format("invalid containerPort: {}", container)));
    }
    if (colon != std::string_view::npos) {
        CHECK_OK(check_host_part(text.substr(0, colon), container, *range));
    }
    std::vector<std::string> names;
    for (std::uint32_t port = range->first; port <= range->last; ++port) {
        names.push_back(fmt::format("{}/{}", port, name));
    }
    return names;
}

}  // namespace lazybuild::graph
