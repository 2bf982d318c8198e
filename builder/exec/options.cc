// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/file.h"

namespace lazybuild::exec {
namespace {

constexpr std::array<std::string_view, 16> kUlimitNames = {
    "as",   "core",   "cpu",   "data", "fsize",  "locks",  "memlock",    "msgqueue",
    "nice", "nofile", "nproc", "rss",  "rtprio", "rttime", "sigpending", "stack"};

Result<std::int64_t> parse_limit(std::string_view text, const std::string& whole) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < -1) {
        return fail(invalid(fmt::format("ulimit {}: {} is no limit", whole, text)));
    }
    return value;
}

}  // namespace

Result<void> Entitlements::allow(const std::string& name) {
    if (name == "network.host") {
        host_network = true;
    } else if (name == "security.insecure") {
        insecure = true;
    } else {
        return fail(invalid(
            fmt::format("entitlement {}: there are network.host and security.insecure", name)));
    }
    return {};
}

Result<void> Entitlements::check(const graph::RunStep& step) const {
    if (step.network != "default" && step.network != "none" && step.network != "host") {
        return fail(
            invalid(fmt::format("network {}: there are default, none and host", step.network)));
    }
    if (step.network == "host" && !host_network) {
        return fail(Error{std::errc::permission_denied,
                          "granting entitlement network.host is not allowed by build "
                          "configuration: pass --allow network.host"});
    }
    if (step.insecure && !insecure) {
        return fail(Error{std::errc::permission_denied,
                          "granting entitlement security.insecure is not allowed by build "
                          "configuration: pass --allow security.insecure"});
    }
    return {};
}

Result<Ulimit> parse_ulimit(const std::string& text) {
    const std::size_t equals = text.find('=');
    const std::string name = text.substr(0, equals);
    if (equals == std::string::npos ||
        std::ranges::find(kUlimitNames, name) == kUlimitNames.end()) {
        return fail(invalid(fmt::format("ulimit {}: want NAME=SOFT[:HARD] with one of {}", text,
                                        fmt::join(kUlimitNames, ", "))));
    }
    const std::string_view limits = std::string_view{text}.substr(equals + 1);
    const std::size_t colon = limits.find(':');
    TRY(const std::int64_t soft, parse_limit(limits.substr(0, colon), text));
    std::int64_t hard = soft;
    if (colon != std::string_view::npos) {
        TRY(hard, parse_limit(limits.substr(colon + 1), text));
    }
    if (hard >= 0 && (soft < 0 || soft > hard)) {
        return fail(invalid(fmt::format("ulimit {}: the soft limit is above the hard one", text)));
    }
    return Ulimit{.name = name, .soft = soft, .hard = hard};
}

Result<std::string> read_secret(const std::string& id, const Secret& secret) {
    if (secret.kind == Secret::Kind::variable) {
        const char* const value = std::getenv(secret.place.c_str());
        if (value == nullptr) {
            return fail(
                invalid(fmt::format("secret {}: variable {} is not set", id, secret.place)));
        }
        return std::string{value};
    }
    auto value = read_file(secret.place, kSecretBytesMax);
    if (!value) {
        return fail(std::move(value).error().context("secret " + id));
    }
    return value;
}

}  // namespace lazybuild::exec
