// SPDX-License-Identifier: Apache-2.0
#include "fuse/loop_device.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/file.h"

namespace lazybuild::fuse {
namespace {

constexpr const char* kControl = "/dev/loop-control";
constexpr unsigned kBlockBytes = 4096;
// Between asking for a free device and taking it, somebody else may take it.
constexpr int kAttemptsMax = 64;

/// nullopt: somebody else was quicker.
Result<std::optional<Fd>> try_attach(const std::string& device_path, int file,
                                     const std::string& file_path) {
    TRY(Fd device, open_file(device_path, O_RDONLY));
    loop_config config{};
    config.fd = static_cast<__u32>(file);
    config.block_size = kBlockBytes;
    config.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
    // What losetup shows; cut where it is too long.
    const std::size_t shown = std::min<std::size_t>(file_path.size(), LO_NAME_SIZE - 1);
    std::copy_n(file_path.begin(), shown, config.info.lo_file_name);
    if (::ioctl(device.get(), LOOP_CONFIGURE, &config) == 0) {
        return std::optional{std::move(device)};
    }
    if (errno == EBUSY) {
        return std::nullopt;
    }
    return fail(errno_error(fmt::format("attach {} to {}", file_path, device_path)));
}

}  // namespace

Result<LoopDevice> LoopDevice::attach(const std::string& path) {
    TRY(const Fd file, open_file(path, O_RDONLY));
    TRY(const Fd control, open_file(kControl, O_RDWR));
    for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
        const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
        if (number < 0) {
            return fail(errno_error("find a free loop device"));
        }
        std::string device_path = fmt::format("/dev/loop{}", number);
        TRY(std::optional<Fd> device, try_attach(device_path, file.get(), path));
        if (device) {
            return LoopDevice{*std::move(device), std::move(device_path)};
        }
    }
    return fail(Error{.code = std::errc::device_or_resource_busy,
                      .message = "no loop device stayed free for " + path});
}

Result<void> LoopDevice::set_read_ahead(unsigned kib) const {
    const std::string name = path_.substr(path_.rfind('/') + 1);
    TRY(const Fd file, open_file(fmt::format("/sys/block/{}/queue/read_ahead_kb", name), O_WRONLY));
    return write_all(file.get(), as_bytes(std::to_string(kib)));
}

}  // namespace lazybuild::fuse
