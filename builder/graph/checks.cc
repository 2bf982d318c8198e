// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/checks.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "builder/dockerfile/text.h"

namespace lazybuild::graph {
namespace {

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

}  // namespace

bool is_signal(std::string_view text) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size()) {
        return number > 0;
    }
    const std::string upper = dockerfile::upper_case(text);
    std::string_view name = upper;
    if (name.starts_with("SIG")) {
        name.remove_prefix(3);
    }
    return std::ranges::find(kSignals, name) != kSignals.end() || is_real_time_signal(name);
}

bool is_proxy_argument(std::string_view name) {
    constexpr std::array<std::string_view, 5> kProxies = {"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY",
                                                          "NO_PROXY", "ALL_PROXY"};
    return std::ranges::find(kProxies, dockerfile::upper_case(name)) != kProxies.end();
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
