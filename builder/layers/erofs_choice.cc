// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/erofs_choice.h"

#include <utility>

namespace lazybuild::layers {

using fuse::ErofsBacking;

Result<void> ErofsChoice::mount(const std::string& image, const std::string& device,
                                const std::string& target) {
    fuse::ErofsMount mount{.image_path = image, .device_path = device, .target = target};
    {
        const std::lock_guard lock(mutex_);
        if (!backing_) {
            auto mounted = fuse::mount_erofs(mount);
            if (!mounted) {
                mount.backing = ErofsBacking::loop;
                if (!fuse::mount_erofs(mount)) {
                    return mounted;
                }
            }
            backing_ = mount.backing;
            return {};
        }
        mount.backing = *backing_;
    }
    return fuse::mount_erofs(mount);
}

}  // namespace lazybuild::layers
