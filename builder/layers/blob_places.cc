// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/blob_places.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/file.h"
#include "builder/layers/disk_usage.h"

namespace lazybuild::layers {
namespace {

constexpr std::size_t kCopyBytes = 1 << 20;

Result<void> copy_file(const std::string& from, const std::string& to) {
    TRY(const Fd in, open_file(from, O_RDONLY));
    TRY(const Fd out, open_file(to, O_WRONLY | O_CREAT | O_EXCL, 0600));
    FdSource source{in.get()};
    Bytes buffer(kCopyBytes);
    for (;;) {
        TRY(const std::size_t count, source.read(buffer));
        if (count == 0) {
            return {};
        }
        CHECK_OK(write_all(out.get(), ByteView{buffer}.first(count)));
    }
}

Result<void> make_durable(const std::string& path) {
    TRY(const Fd file, open_file(path, O_RDONLY));
    if (::fdatasync(file.get()) != 0) {
        return fail(errno_error("fdatasync " + path));
    }
    return {};
}

}  // namespace

std::optional<std::string> BlobPlaces::path(const codec::Digest& blob) const {
    std::string path = path_of(blob);
    return ::access(path.c_str(), R_OK) == 0 ? std::optional{std::move(path)} : std::nullopt;
}

Result<void> BlobPlaces::keep(const codec::Digest& blob, const std::string& file,
                              const std::string& staged) const {
    CHECK_OK(make_directories(directory_, 0700));
    if (::rename(file.c_str(), staged.c_str()) != 0) {
        if (errno != EXDEV) {
            return fail(errno_error("rename " + file));
        }
        CHECK_OK(copy_file(file, staged));
        CHECK_OK(remove_tree(file));
    }
    CHECK_OK(make_durable(staged));
    const std::string path = path_of(blob);
    if (::rename(staged.c_str(), path.c_str()) != 0) {
        return fail(errno_error("rename to " + path));
    }
    return sync_directory(directory_);
}

Result<void> BlobPlaces::remove(const codec::Digest& blob) const {
    const std::string path = path_of(blob);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return fail(errno_error("remove " + path));
    }
    return {};
}

Result<std::vector<BlobUsage>> BlobPlaces::usage() const {
    std::vector<BlobUsage> blobs;
    TRY(const std::vector<std::string> names, names_in(directory_));
    for (const std::string& name : names) {
        const auto digest = codec::Digest::parse("sha256:" + name);
        const auto size = measure(directory_ + "/" + name);
        if (digest && size) {
            blobs.push_back(
                {.digest = *digest, .size_bytes = size->size_bytes, .used_s = size->changed_s});
        }
    }
    return blobs;
}

}  // namespace lazybuild::layers
