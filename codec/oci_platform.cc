// SPDX-License-Identifier: Apache-2.0
#include "codec/oci_platform.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

namespace lazybuild::codec {
namespace {

constexpr int kBestMatch = 100;

std::string lower_case(std::string_view text) {
    std::string lower{text};
    std::ranges::transform(lower, lower.begin(), [](unsigned char letter) {
        return static_cast<char>(std::tolower(letter));
    });
    return lower;
}

bool is_component(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](unsigned char letter) {
        return std::isalnum(letter) != 0 || letter == '_' || letter == '-' || letter == '.';
    });
}

// "v7" → 7; 0 for what is no version of ARM.
int arm_version(const Platform& platform) {
    if (!platform.architecture.starts_with("arm") || platform.variant.size() != 2 ||
        platform.variant[0] != 'v' || platform.variant[1] < '1' || platform.variant[1] > '9') {
        return 0;
    }
    return platform.variant[1] - '0';
}

}  // namespace

Platform Platform::normalised() const {
    Platform result{.os = lower_case(os),
                    .architecture = lower_case(architecture),
                    .variant = lower_case(variant),
                    .os_version = os_version};
    if (result.os == "macos") {
        result.os = "darwin";
    }
    std::string& name = result.architecture;
    if (name == "x86_64" || name == "x86-64") {
        name = "amd64";
    } else if (name == "i386" || name == "i486" || name == "i586" || name == "i686") {
        name = "386";
    } else if (name == "aarch64") {
        name = "arm64";
    } else if (name == "armhf" || name == "armel") {
        result.variant = name == "armhf" ? "v7" : "v6";
        name = "arm";
    }
    if (name == "amd64" && result.variant == "v1") {
        result.variant.clear();
    } else if (name == "arm64" && (result.variant == "v8" || result.variant == "8")) {
        result.variant.clear();
    } else if (name == "arm" && result.variant.empty()) {
        result.variant = "v7";
    } else if (name == "arm" && result.variant.size() == 1) {
        result.variant.insert(0, "v");
    }
    return result;
}

Result<Platform> Platform::parse(std::string_view text) {
    std::vector<std::string> parts;
    for (std::size_t start = 0; start <= text.size();) {
        const std::size_t end = std::min(text.find('/', start), text.size());
        parts.emplace_back(text.substr(start, end - start));
        start = end + 1;
    }
    if (parts.size() > 3 || !std::ranges::all_of(parts, is_component)) {
        return fail(invalid(fmt::format(
            "\"{}\" is not a platform; write os/architecture, like linux/arm64", text)));
    }
    if (parts.size() == 1) {
        parts.insert(parts.begin(), "linux");
    }
    parts.resize(3);
    return Platform{.os = parts[0], .architecture = parts[1], .variant = parts[2], .os_version = {}}
        .normalised();
}

std::string Platform::text() const {
    return variant.empty() ? fmt::format("{}/{}", os, architecture)
                           : fmt::format("{}/{}/{}", os, architecture, variant);
}

Platform host_platform() {
#if defined(__x86_64__)
    constexpr std::string_view kArchitecture = "amd64";
#elif defined(__aarch64__)
    constexpr std::string_view kArchitecture = "arm64";
#elif defined(__arm__)
    constexpr std::string_view kArchitecture = "arm";
#elif defined(__riscv)
    constexpr std::string_view kArchitecture = "riscv64";
#elif defined(__powerpc64__)
    constexpr std::string_view kArchitecture = "ppc64le";
#elif defined(__s390x__)
    constexpr std::string_view kArchitecture = "s390x";
#else
#error "name this architecture as Go does"
#endif
    return Platform{
        .os = "linux", .architecture = std::string{kArchitecture}, .variant = {}, .os_version = {}}
        .normalised();
}

int platform_match(const Platform& wanted, const Platform& offered) {
    const Platform want = wanted.normalised();
    const Platform offer = offered.normalised();
    if (want.os != offer.os || want.architecture != offer.architecture) {
        return 0;
    }
    if (want.variant == offer.variant) {
        return kBestMatch;
    }
    const int want_version = arm_version(want);
    const int offer_version = arm_version(offer);
    if (want_version != 0 && offer_version != 0 && offer_version < want_version) {
        return offer_version;
    }
    // An image without a variant is the baseline of its architecture; every host runs it.
    return offer.variant.empty() ? 1 : 0;
}

}  // namespace lazybuild::codec
