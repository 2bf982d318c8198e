// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/foreign_platform.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/file.h"

namespace lazybuild::exec {
namespace {

constexpr std::uint64_t kHandlerBytesMax = 4096;

/// As OCI calls an architecture, as QEMU does.
constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kEmulators = {{
    {"amd64", "x86_64"},
    {"386", "i386"},
    {"arm64", "aarch64"},
    {"arm", "arm"},
    {"riscv64", "riscv64"},
    {"ppc64le", "ppc64le"},
    {"s390x", "s390x"},
    {"mips64le", "mips64el"},
    {"mips64", "mips64"},
    {"loong64", "loongarch64"},
}};

/// The emulator must be opened at registration ("F"): inside a container its path leads nowhere.
bool has_handler(const std::string& directory, std::string_view architecture) {
    for (const auto& [name, emulator] : kEmulators) {
        if (name != architecture) {
            continue;
        }
        const auto handler =
            read_file(fmt::format("{}/qemu-{}", directory, emulator), kHandlerBytesMax);
        if (!handler || !handler->starts_with("enabled")) {
            return false;
        }
        const std::size_t flags = handler->find("flags: ");
        return flags != std::string::npos && std::string_view{*handler}
                                                 .substr(flags, handler->find('\n', flags) - flags)
                                                 .contains('F');
    }
    return false;
}

}  // namespace

Result<void> check_platform(const codec::Platform& wanted, const std::string& binfmt_directory) {
    const codec::Platform platform = wanted.normalised();
    const codec::Platform host = codec::host_platform();
    const bool native = platform_match(host, platform) > 0 || platform_match(platform, host) > 0 ||
                        (host.architecture == "amd64" && platform.architecture == "386");
    if (platform.os == "linux" &&
        (native || has_handler(binfmt_directory, platform.architecture))) {
        return {};
    }
    return fail(Error{std::errc::not_supported,
                      fmt::format("commands for {} cannot run on {}: install qemu-user-static, "
                                  "which registers an emulator with binfmt_misc",
                                  platform.text(), host.text())});
}

}  // namespace lazybuild::exec
