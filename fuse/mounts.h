// SPDX-License-Identifier: Apache-2.0
// mount(2), umount2(2) and the mount table: how a layer's metadata image and disk become a
// directory.
//
// mount(2) itself, never mount(8): mount(8) takes a loop device for a file and fails. All of these
// may block on the disk that is mounted, so they are never called on a FUSE server's threads.
// Nothing here stats or opens anything inside what is mounted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace lazybuild::fuse {

/// Read-ahead of EROFS mounts: one FUSE request's worth. The kernel's default of 128 KiB costs a
/// round trip to the registry eight times as often.
inline constexpr unsigned kReadAheadKib = 1024;

/// What EROFS is given: the files themselves (Linux 6.12), or loop devices over them.
enum class ErofsBacking : std::uint8_t { file, loop };

struct ErofsMount {
    std::string image_path;   ///< metadata image, on a real file system (not tmpfs, not overlayfs)
    std::string device_path;  ///< the layer's disk: a file, also one of a FUSE mount
    std::string target;       ///< an existing directory
    ErofsBacking backing = ErofsBacking::file;
};

/// Mounts an EROFS image over its disk, read-only, and sets its read-ahead to kReadAheadKib.
/// Set-user-id files and device nodes work in it: what mounts an overlay on top decides about them.
/// Files are mounted with `directio` where the kernel has it (6.15), so that a byte is cached once.
/// Loop devices go with the mount.
/// Errors: those of mount(2), with source, target and a hint.
Result<void> mount_erofs(const ErofsMount& mount);

struct OverlayMount {
    std::vector<std::string> lowers;  ///< topmost first
    std::string upper, work;          ///< both empty: read-only
    std::string target;
    /// What the lowers' names are relative to, so that hundreds of them fit into overlay's one page
    /// of options; "": nothing, they are absolute.
    std::string lowers_directory = {};
    /// The upper directory is thrown away some time: nothing of it is made durable, where the
    /// kernel can do that (Linux 5.10), and each file in it is whole.
    bool scratch = false;
    /// Each file in the upper directory is whole, as with `scratch`, and it stays.
    bool whole_files = false;
};
/// Overlayfs as the daemon's users mount it: redirect_dir=nofollow, index=off.
Result<void> mount_overlay(const OverlayMount& mount);

enum class UnmountMode {
    now,     ///< fails with EBUSY while something in it is in use
    detach,  ///< takes it out of the tree at once; it goes when its last user goes
};
/// Unmounts the topmost mount of `target`; a final symbolic link is not followed.
/// Nothing mounted there is invalid_argument (EINVAL).
Result<void> unmount(const std::string& target, UnmountMode mode);

/// `target` as the mount table spells it: absolute, its parent without symbolic links. The last
/// component is not looked at, because looking at a dead mount fails. Errors: the parent is
/// missing.
Result<std::string> resolve_mount_point(const std::string& target);

/// One line of this process's mount table.
struct MountEntry {
    std::string target;   ///< absolute, without symbolic links
    std::string type;     ///< "erofs", "overlay", "fuse.lazy-disks"
    std::string source;   ///< whatever was given to mount(2)
    std::string options;  ///< of the file system: "ro,lowerdir=…"
    std::uint32_t device_major = 0, device_minor = 0;
};

/// True when it is an EROFS mount of this image, directly or through a loop device.
bool is_erofs_of(const MountEntry& mount, const std::string& image_path);

/// The mounts at `prefix` and below it (whole path components), oldest first: unmount in reverse.
/// `prefix` is resolved as by resolve_mount_point; where its parent is missing there are none.
Result<std::vector<MountEntry>> mounts_under(const std::string& prefix);

}  // namespace lazybuild::fuse
