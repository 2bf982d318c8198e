// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "builder/cli/cmd_mount.h"
#include "fuse/mounts.h"

namespace lazybuild::cli {
namespace {

constexpr std::string_view kCommand = "umount";
constexpr std::chrono::seconds kEndMax{10};
constexpr std::chrono::milliseconds kLookInterval{50};

Result<std::optional<MountRecord>> find_record(const std::string& root, const std::string& target) {
    TRY(std::vector<MountRecord> records, mount_records(root));
    for (MountRecord& record : records) {
        if (record.target == target) {
            return std::optional{std::move(record)};
        }
    }
    return std::nullopt;
}

/// The serving process notices by itself, and takes the directory away. One that was killed does
/// not.
Result<void> wait_for_end(const std::string& root, const std::string& path) {
    const auto end = std::chrono::steady_clock::now() + kEndMax;
    while (std::chrono::steady_clock::now() < end) {
        TRY(const std::vector<MountRecord> records, mount_records(root));
        const auto record = std::ranges::find(records, path, &MountRecord::path);
        if (record == records.end()) {
            return {};
        }
        if (!record->served) {
            return remove_mount_state(root, *record);
        }
        std::this_thread::sleep_for(kLookInterval);
    }
    return fail(Error{.code = std::errc::timed_out,
                      .message = fmt::format("unmounted, but its process still serves: something "
                                             "uses the image elsewhere (see {}/log)",
                                             path)});
}

Result<void> umount(const UmountArgs& args) {
    TRY(const std::string target, fuse::resolve_mount_point(args.directory));
    TRY(const std::optional<MountRecord> record, find_record(args.root, target));
    if (!record) {
        return fail(Error{.code = std::errc::no_such_file_or_directory,
                          .message = fmt::format("{} is no mount of lazybuild's (state below {})",
                                                 target, args.root)});
    }
    const auto mode = args.lazy ? fuse::UnmountMode::detach : fuse::UnmountMode::now;
    auto unmounted = fuse::unmount(target, mode);
    // Somebody may have unmounted it already: then what is left is the state.
    if (!unmounted && unmounted.error().code != std::errc::invalid_argument) {
        if (unmounted.error().code == std::errc::device_or_resource_busy) {
            unmounted.error().message +=
                " (something in it is in use; --lazy takes it out of the "
                "tree all the same)";
        }
        return fail(std::move(unmounted).error());
    }
    if (args.lazy && record->served) {
        return {};  // it may be in use for long; its process ends with its last user
    }
    return wait_for_end(args.root, record->path);
}

}  // namespace

ExitCode run(const UmountArgs& args, image::Console& console) {
    if (const auto done = umount(args); !done) {
        return report_failure(console, kCommand, done.error());
    }
    return ExitCode::done;
}

}  // namespace lazybuild::cli
