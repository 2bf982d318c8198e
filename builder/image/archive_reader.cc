// SPDX-License-Identifier: Apache-2.0
#include "builder/image/archive_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <utility>

#include "base/fd.h"
#include "base/file.h"
#include "builder/image/tar_reader.h"
#include "builder/image/unpack_archive.h"

namespace lazybuild::image {
namespace {

constexpr std::size_t kReadBytes = 1 << 20;

// "./a//b/" → "a/b".
std::string plain_path(std::string_view path) {
    std::string plain;
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        const std::string_view part = path.substr(0, slash);
        if (!part.empty() && part != ".") {
            plain += plain.empty() ? "" : "/";
            plain += part;
        }
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    }
    return plain;
}

}  // namespace

struct ArchiveReader::Handle {
    Fd file;
    TarReader reader;
    io::CancelToken cancel;
    std::size_t entries = 0;
    std::uint64_t bytes = 0;
    Bytes buffer;
};

ArchiveReader::ArchiveReader(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
ArchiveReader::ArchiveReader(ArchiveReader&&) noexcept = default;
ArchiveReader& ArchiveReader::operator=(ArchiveReader&&) noexcept = default;
ArchiveReader::~ArchiveReader() = default;

Result<ArchiveReader> ArchiveReader::open(const std::string& file, io::CancelToken cancel) {
    auto handle = std::make_unique<Handle>();
    TRY(handle->file, open_file(file, O_RDONLY));
    handle->cancel = std::move(cancel);
    handle->buffer.resize(kReadBytes);
    handle->reader = new_tar_reader();
    archive* const reader = handle->reader.get();
    if (::archive_read_open_fd(reader, handle->file.get(), kReadBytes) != ARCHIVE_OK) {
        return fail(archive_error(reader));
    }
    return ArchiveReader{std::move(handle)};
}

Result<std::optional<ArchiveEntry>> ArchiveReader::next() {
    archive* const reader = handle_->reader.get();
    archive_entry* entry = nullptr;
    const int outcome = ::archive_read_next_header(reader, &entry);
    if (outcome == ARCHIVE_EOF) {
        return std::nullopt;
    }
    if (outcome != ARCHIVE_OK && outcome != ARCHIVE_WARN) {
        return fail(archive_error(reader));
    }
    if (++handle_->entries > kArchiveEntriesMax) {
        return fail(over_limit(fmt::format("more than {} entries", kArchiveEntriesMax)));
    }
    const char* const path = ::archive_entry_pathname(entry);
    if (path == nullptr) {
        return fail(corrupt("an entry without a name"));
    }
    ArchiveEntry result;
    result.path = plain_path(path);
    const char* const hardlink = ::archive_entry_hardlink(entry);
    const char* const symlink = ::archive_entry_symlink(entry);
    if (hardlink != nullptr) {
        result.kind = ArchiveEntry::Kind::link;
        result.target = plain_path(hardlink);
    } else if (symlink != nullptr) {
        result.kind = ArchiveEntry::Kind::link;
        result.symbolic = true;
        result.target = symlink;
    } else if (::archive_entry_filetype(entry) == AE_IFREG) {
        result.kind = ArchiveEntry::Kind::file;
    }
    return std::optional{std::move(result)};
}

Result<void> ArchiveReader::read_into(ByteSink& sink) {
    while (true) {
        const la_ssize_t count = ::archive_read_data(handle_->reader.get(), handle_->buffer.data(),
                                                     handle_->buffer.size());
        if (count < 0) {
            return fail(archive_error(handle_->reader.get()));
        }
        if (count == 0) {
            return {};
        }
        handle_->bytes += static_cast<std::uint64_t>(count);
        if (handle_->bytes > kArchiveBytesMax) {
            return fail(over_limit(fmt::format("more than {} bytes", kArchiveBytesMax)));
        }
        if (handle_->cancel.cancelled()) {
            return fail(Error{.code = std::errc::operation_canceled, .message = "cancelled"});
        }
        CHECK_OK(sink.write(ByteView{handle_->buffer}.first(static_cast<std::size_t>(count))));
    }
}

}  // namespace lazybuild::image
