// SPDX-License-Identifier: Apache-2.0
#include "builder/image/spool_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "base/file.h"

namespace lazybuild::image {
namespace {

constexpr mode_t kPublishedMode = 0644;

}  // namespace

Result<SpoolFile> SpoolFile::create(const std::string& directory) {
    auto unnamed = open_temporary(directory);
    if (unnamed) {
        return SpoolFile{*std::move(unnamed), ""};
    }
    if (unnamed.error().code != std::errc::operation_not_supported &&
        unnamed.error().code != std::errc::is_a_directory) {
        return fail(std::move(unnamed).error());
    }
    std::string name = directory + "/.lazybuild-XXXXXX";
    const int number = ::mkostemp(name.data(), O_CLOEXEC);
    if (number < 0) {
        return fail(errno_error("create a temporary file in " + directory));
    }
    return SpoolFile{Fd{number}, name};
}

SpoolFile::SpoolFile(SpoolFile&& other) noexcept
    : file_(std::move(other.file_)), name_(std::exchange(other.name_, {})) {}

SpoolFile& SpoolFile::operator=(SpoolFile&& other) noexcept {
    discard();
    file_ = std::move(other.file_);
    name_ = std::exchange(other.name_, {});
    return *this;
}

void SpoolFile::discard() {
    if (!name_.empty()) {
        ::unlink(name_.c_str());
        name_.clear();
    }
}

Result<void> SpoolFile::publish(const std::string& path) {
    if (::fchmod(file_.get(), kPublishedMode) != 0 || ::fsync(file_.get()) != 0) {
        return fail(errno_error("fsync of a file that becomes " + path));
    }
    const std::string from = name_.empty() ? fmt::format("/proc/self/fd/{}", file_.get()) : name_;
    if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0 &&
        errno != EEXIST) {
        return fail(errno_error("create " + path));
    }
    return {};
}

}  // namespace lazybuild::image
