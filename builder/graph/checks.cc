// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string>

namespace lazybuild::graph {
namespace {

std::string upper_case(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return result;
}

constexpr std::array<std::string_view, 36> kSignals = {
    "HUP",    "INT",  "QUIT",  "ILL",  "TRAP", "ABRT", "IOT",  "BUS",    "FPE",
    "KILL",   "USR1", "SEGV",  "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD",
    "CLD",    "CONT", "STOP",  "TSTP", "TTIN", "TTOU", "URG",  "XCPU",   "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO",   "POLL", "PWR",  "SYS",  "UNUSED", "EMT"};

bool is_real_time_signal(std::string_view name) {
    const bool from_minimum = name.starts_with("RTMIN");
    if (!from_minimum && !name.starts_with("RTMAX")) {
        return false;
    }
    name.remove_prefix(5);
    if (name.empty()) {
        return true;
    }
    unsigned distance = 0;
    const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), distance);
    return name.front() == (from_minimum ? '+' : '-') && error == std::errc{} &&
           end == name.data() + name.size() && distance >= 1 && distance <= 15;
}

// One of the comma-separated parts of a symbolic mode: "ugo" letters, then operations.
bool is_symbolic_clause(std::string_view clause) {
    clause.remove_prefix(std::min(clause.find_first_not_of("ugoa"), clause.size()));
    if (clause.empty()) {
        return false;
    }
    while (!clause.empty()) {
        if (std::string_view("+-=").find(clause.front()) == std::string_view::npos) {
            return false;
        }
        clause.remove_prefix(1);
        clause.remove_prefix(std::min(clause.find_first_not_of("rwxXstugo"), clause.size()));
    }
    return true;
}

}  // namespace

bool is_signal(std::string_view text) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size()) {
        return number > 0;
    }
    const std::string upper = upper_case(text);
    std::string_view name = upper;
    if (name.starts_with("SIG")) {
        name.remove_prefix(3);
    }
    return std::ranges::find(kSignals, name) != kSignals.end() || is_real_time_signal(name);
}

Result<void> check_permissions(std::string_view text) {
    if (text.find_first_not_of("0123456789") == std::string_view::npos) {
        unsigned mode = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
        if (text.empty() || error != std::errc{} || end != text.data() + text.size() ||
            mode > 07777) {
            return fail(
                invalid(fmt::format("invalid chmod parameter: '{}'. it should be octal "
                                    "string and between 0 and 07777",
                                    text)));
        }
        return {};
    }
    std::string_view rest = text;
    for (;;) {
        const std::size_t comma = rest.find(',');
        if (!is_symbolic_clause(rest.substr(0, comma))) {
            return fail(invalid(fmt::format(
                "invalid chmod parameter: '{}': neither octal nor symbolic like u=rwX,go=rX",
                text)));
        }
        if (comma == std::string_view::npos) {
            return {};
        }
        rest.remove_prefix(comma + 1);
    }
}

bool sounds_secret(std::string_view name) {
    constexpr std::array<std::string_view, 10> kSecret = {
        "APIKEY",   "AUTH",  "CREDENTIAL", "CREDENTIALS", "KEY",
        "PASSWORD", "PWORD", "PASSWD",     "SECRET",      "TOKEN"};
    constexpr std::array<std::string_view, 3> kHarmless = {"PUBLIC", "FILE", "VERSION"};
    const std::string upper = upper_case(name);
    bool secret = false;
    for (std::size_t begin = 0; begin <= upper.size();) {
        const std::size_t end = std::min(upper.find('_', begin), upper.size());
        const std::string_view part = std::string_view(upper).substr(begin, end - begin);
        if (std::ranges::find(kHarmless, part) != kHarmless.end()) {
            return false;
        }
        secret = secret || std::ranges::find(kSecret, part) != kSecret.end();
        begin = end + 1;
    }
    return secret;
}

bool is_proxy_argument(std::string_view name) {
    constexpr std::array<std::string_view, 5> kProxies = {"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY",
                                                          "NO_PROXY", "ALL_PROXY"};
    return std::ranges::find(kProxies, upper_case(name)) != kProxies.end();
}

bool is_builder_argument(std::string_view name) {
    constexpr std::array<std::string_view, 12> kAutomatic = {
        "BUILDPLATFORM", "BUILDOS",        "BUILDOSVERSION", "BUILDARCH",
        "BUILDVARIANT",  "TARGETPLATFORM", "TARGETOS",       "TARGETOSVERSION",
        "TARGETARCH",    "TARGETVARIANT",  "TARGETSTAGE",    "SOURCE_DATE_EPOCH"};
    return is_proxy_argument(name) || name.starts_with("BUILDKIT_") ||
           std::ranges::find(kAutomatic, name) != kAutomatic.end();
}

}  // namespace lazybuild::graph
