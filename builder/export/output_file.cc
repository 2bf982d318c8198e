// SPDX-License-Identifier: Apache-2.0
#include "builder/export/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/file.h"

namespace lazybuild::exporter {
namespace {

constexpr std::size_t kBufferBytes = 1 << 20;
constexpr mode_t kFileMode = 0644;

std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) {
        return ".";
    }
    return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<OutputFile> OutputFile::create(const std::string& path) {
    if (path == "-") {
        if (::isatty(STDOUT_FILENO) != 0) {
            return fail(
                invalid("an archive is not for a terminal: name a file with dest=FILE, or "
                        "send stdout elsewhere"));
        }
        return OutputFile{Fd{}, STDOUT_FILENO, path, ""};
    }
    struct stat status{};
    if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
        if (S_ISDIR(status.st_mode)) {
            return fail(Error{.code = std::errc::is_a_directory,
                              .message = path + " is a directory; a file is to be written there "
                                                "(tar=false writes a directory)"});
        }
        TRY(Fd file, open_file(path, O_WRONLY));
        const int number = file.get();
        return OutputFile{std::move(file), number, path, ""};
    }
    CHECK_OK(make_directories(directory_of(path)));
    std::string temporary = path + ".lazybuild-XXXXXX";
    const int number = ::mkostemp(temporary.data(), O_CLOEXEC);
    if (number < 0) {
        return fail(errno_error("create a file beside " + path));
    }
    return OutputFile{Fd{number}, number, path, temporary};
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : file_(std::move(other.file_)),
      number_(other.number_),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      buffer_(std::move(other.buffer_)) {}

OutputFile::~OutputFile() {
    if (!temporary_.empty()) {
        ::unlink(temporary_.c_str());
    }
}

Result<void> OutputFile::flush() {
    if (auto written = write_all(number_, buffer_); !written) {
        return fail(std::move(written).error().context(path_ == "-" ? "stdout" : path_));
    }
    buffer_.clear();
    return {};
}

Result<void> OutputFile::write(ByteView bytes) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    return buffer_.size() >= kBufferBytes ? flush() : Result<void>{};
}

Result<void> OutputFile::commit() {
    CHECK_OK(flush());
    if (temporary_.empty()) {
        return {};
    }
    if (::fchmod(number_, kFileMode) != 0 || ::fsync(number_) != 0 ||
        std::rename(temporary_.c_str(), path_.c_str()) != 0) {
        return fail(errno_error("write " + path_));
    }
    temporary_.clear();
    return sync_directory(directory_of(path_));
}

std::string staging_path(const std::string& directory) {
    static std::atomic<std::uint64_t> numbers = 0;
    return fmt::format("{}/export-{}", directory, numbers++);
}

}  // namespace lazybuild::exporter
