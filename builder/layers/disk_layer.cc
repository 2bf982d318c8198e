// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/disk_layer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "base/file.h"
#include "codec/tree_index.h"
#include "fuse/mounts.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::layers {
namespace {

/// Of an index: a tree has limits, which it cannot be larger than.
constexpr std::uint64_t kIndexBytesMax = std::uint64_t{1} << 30;

constexpr std::chrono::seconds kLockWaitMax{5};
constexpr std::chrono::milliseconds kPause{1};

/// Whether `path` still is the file that was locked: it may have been renamed away between.
bool is_at(int file, const std::string& path) {
    struct stat locked{};
    struct stat there{};
    return ::fstat(file, &locked) == 0 && ::stat(path.c_str(), &there) == 0 &&
           locked.st_ino == there.st_ino && locked.st_dev == there.st_dev;
}

/// nullopt: it is not there. Who holds it exclusively looks whether it is in use, or removes it;
/// both takes moments.
Result<std::optional<FileLock>> lock_disk(const std::string& path) {
    const auto deadline = std::chrono::steady_clock::now() + kLockWaitMax;
    while (std::chrono::steady_clock::now() < deadline) {
        auto lock = FileLock::try_shared(path);
        if (!lock && lock.error().code == std::errc::no_such_file_or_directory) {
            return std::nullopt;
        }
        if (!lock || (*lock && is_at((*lock)->fd(), path))) {
            return lock;
        }
        std::this_thread::sleep_for(kPause);
    }
    return std::nullopt;
}

}  // namespace

DiskLayer::DiskLayer(std::string directory, FileLock disk, Options options)
    : directory_(std::move(directory)),
      disk_(std::move(disk)),
      options_(std::move(options)),
      tree_(options_.tree) {}

Result<LayerPointer> DiskLayer::open(const std::string& directory, Options options) {
    TRY(std::optional<FileLock> disk, lock_disk(store::disk_path(directory)));
    if (!disk) {
        return nullptr;
    }
    // For those who remove what has not been used for long. Of no importance to this build.
    [[maybe_unused]] const int noted = ::futimens(disk->fd(), nullptr);
    return LayerPointer{new DiskLayer(directory, *std::move(disk), std::move(options))};
}

Result<std::shared_ptr<const codec::FileTree>> DiskLayer::tree() {
    const std::lock_guard lock(mutex_);
    if (tree_ == nullptr) {
        const std::string path = store::index_path(directory_);
        TRY(const std::string index, read_file(path, kIndexBytesMax));
        auto tree = codec::read_tree_index(as_bytes(index));
        if (!tree) {
            return fail(std::move(tree).error().context(path));
        }
        tree_ = std::make_shared<const codec::FileTree>(*std::move(tree));
    }
    return tree_;
}

Result<void> DiskLayer::read_disk(std::uint64_t offset_bytes, MutableByteView out) {
    const auto count = pread_full(disk_.fd(), out, offset_bytes);
    if (count && *count == out.size()) {
        return {};
    }
    failed_reads_.fetch_add(1, std::memory_order_relaxed);
    const std::string path = store::disk_path(directory_);
    if (!count) {
        return fail(Error{count.error()}.context(path));
    }
    return fail(corrupt(fmt::format("{}: no {} bytes at {}", path, out.size(), offset_bytes)));
}

Result<void> DiskLayer::mount(const std::string& image, const std::string& target) {
    return options_.erofs->mount(image.empty() ? store::tree_path(directory_) : image,
                                 store::disk_path(directory_), target);
}

}  // namespace lazybuild::layers
