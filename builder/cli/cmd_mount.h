// SPDX-License-Identifier: Apache-2.0
// lazybuild mount REF DIR: an image, mounted lazily and read-only, without containerd and without
// a daemon: a process of its own serves it and ends when it is unmounted. lazybuild umount DIR.
#pragma once

#include <string>
#include <vector>

#include "builder/cli/mount_state.h"
#include "builder/cli/process_console.h"
#include "builder/image/session.h"

namespace lazybuild::cli {

struct MountArgs {
    std::string image;
    std::string directory;
    std::string root = kStateRoot;
    std::string platform;  ///< "": the host's
    bool fill = false;     ///< fetch the rest too, when nobody reads
    bool foreground = false;
    /// Told ("ready") when the image is mounted, by the process in the background: a descriptor.
    int ready_fd = -1;
    /// The whole command line: the process in the background is given it again.
    std::vector<std::string> command_line;
    image::RegistryFlags registry;
};
/// Returns when the image is mounted, or with `foreground` when it no longer is. Needs root.
ExitCode run(const MountArgs& args, image::Console& console);

struct UmountArgs {
    std::string directory;
    std::string root = kStateRoot;
    bool lazy = false;  ///< also while it is in use
};
/// failed when nothing of ours is mounted there, or it is in use.
ExitCode run(const UmountArgs& args, image::Console& console);

}  // namespace lazybuild::cli
