// SPDX-License-Identifier: Apache-2.0
#include "builder/files/archive_stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <clocale>
#include <utility>

#include "builder/image/tar_reader.h"
#include "codec/xattrs.h"

namespace lazybuild::files {
namespace {

constexpr std::size_t kReadBytes = 256 << 10;

// PAX names are UTF-8, and libarchive turns what the thread's locale cannot say into '?'.
class Utf8Locale {
  public:
    Utf8Locale() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
        before_ = locale_ != nullptr ? ::uselocale(locale_) : nullptr;
    }
    Utf8Locale(const Utf8Locale&) = delete;
    Utf8Locale& operator=(const Utf8Locale&) = delete;
    ~Utf8Locale() {
        if (locale_ != nullptr) {
            ::uselocale(before_);
            ::freelocale(locale_);
        }
    }

  private:
    locale_t locale_;
    locale_t before_;
};

std::optional<codec::FileType> type_of(unsigned type) {
    switch (type) {
        case AE_IFREG: return codec::FileType::regular;
        case AE_IFDIR: return codec::FileType::directory;
        case AE_IFLNK: return codec::FileType::symlink;
        case AE_IFCHR: return codec::FileType::character;
        case AE_IFBLK: return codec::FileType::block;
        case AE_IFIFO: return codec::FileType::fifo;
        default: return std::nullopt;
    }
}

std::uint32_t id_of(la_int64_t id) {
    return id < 0 || id >= 0xffffffff ? 0 : static_cast<std::uint32_t>(id);
}

std::vector<codec::Xattr> xattrs_of(archive_entry* entry) {
    std::vector<codec::Xattr> xattrs;
    ::archive_entry_xattr_reset(entry);
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    while (::archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
        xattrs.push_back({.name = name, .value = {static_cast<const char*>(value), size}});
    }
    codec::sort_xattrs(xattrs);
    return xattrs;
}

}  // namespace

struct ArchiveStream::Handle {
    static la_ssize_t read_source(archive* reader, void* self, const void** bytes);
    Error failure() const;
    Result<std::optional<ArchivedFile>> describe();

    ByteSource* source = nullptr;
    std::optional<Error> source_error;
    Bytes input;
    Bytes output;
    archive_entry* entry = nullptr;  // of the reader; valid until the next header
    bool held_back = false;          // open() has read it, next() has not given it
    std::size_t entries = 0;
    std::uint64_t bytes = 0;
    image::TarReader reader;
};

la_ssize_t ArchiveStream::Handle::read_source(archive* reader, void* self, const void** bytes) {
    auto& handle = *static_cast<Handle*>(self);
    auto count = handle.source->read(handle.input);
    if (!count) {
        handle.source_error = std::move(count).error();
        ::archive_set_error(reader, EIO, "reading the archive");
        return -1;
    }
    *bytes = handle.input.data();
    return static_cast<la_ssize_t>(*count);
}

Error ArchiveStream::Handle::failure() const {
    if (source_error) {
        return *source_error;
    }
    return image::archive_error(reader.get());
}

ArchiveStream::ArchiveStream(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
ArchiveStream::ArchiveStream(ArchiveStream&&) noexcept = default;
ArchiveStream& ArchiveStream::operator=(ArchiveStream&&) noexcept = default;
ArchiveStream::~ArchiveStream() = default;

// The first header is read here: a text that begins like a tar is none, and neither are zeros.
Result<ArchiveStream> ArchiveStream::open(ByteSource& source) {
    const Utf8Locale locale;
    auto handle = std::make_unique<Handle>();
    handle->source = &source;
    handle->input.resize(kReadBytes);
    handle->output.resize(kReadBytes);
    handle->reader = image::new_tar_reader();
    archive* const reader = handle->reader.get();
    if (::archive_read_open(reader, handle.get(), nullptr, &Handle::read_source, nullptr) !=
        ARCHIVE_OK) {
        return fail(handle->failure());
    }
    const int outcome = ::archive_read_next_header(reader, &handle->entry);
    if (outcome == ARCHIVE_EOF && !handle->source_error) {
        return fail(corrupt("not a tar archive: it has no entry"));
    }
    if (outcome != ARCHIVE_OK && outcome != ARCHIVE_WARN) {
        return fail(handle->failure());
    }
    handle->held_back = true;
    return ArchiveStream{std::move(handle)};
}

Result<std::optional<ArchivedFile>> ArchiveStream::next() {
    const Utf8Locale locale;
    while (true) {
        if (!std::exchange(handle_->held_back, false)) {
            const int outcome = ::archive_read_next_header(handle_->reader.get(), &handle_->entry);
            if (outcome == ARCHIVE_EOF && !handle_->source_error) {
                return std::nullopt;
            }
            if (outcome != ARCHIVE_OK && outcome != ARCHIVE_WARN) {
                return fail(handle_->failure());
            }
        }
        if (++handle_->entries > kUnpackedEntriesMax) {
            return fail(over_limit(fmt::format("more than {} entries", kUnpackedEntriesMax)));
        }
        TRY(std::optional<ArchivedFile> file, handle_->describe());
        if (file) {
            return file;
        }
    }
}

Result<std::optional<ArchivedFile>> ArchiveStream::Handle::describe() {
    const char* const path = ::archive_entry_pathname(entry);
    if (path == nullptr) {
        return fail(corrupt("an entry without a name"));
    }
    ArchivedFile file{.path = path, .info = {}, .hard_link = {}};
    file.info.mode = ::archive_entry_perm(entry) & 07777;
    file.info.uid = id_of(::archive_entry_uid(entry));
    file.info.gid = id_of(::archive_entry_gid(entry));
    file.info.mtime_s = ::archive_entry_mtime_is_set(entry) != 0 ? ::archive_entry_mtime(entry) : 0;
    if (const char* const target = ::archive_entry_hardlink(entry); target != nullptr) {
        file.hard_link = target;
        return file;
    }
    const auto type = type_of(::archive_entry_filetype(entry));
    if (!type) {
        return std::nullopt;
    }
    file.info.type = *type;
    file.info.xattrs = xattrs_of(entry);
    if (*type == codec::FileType::regular) {
        const la_int64_t size = ::archive_entry_size(entry);
        if (size < 0 || static_cast<std::uint64_t>(size) > kUnpackedBytesMax) {
            return fail(over_limit(fmt::format("\"{}\": a size of {} bytes", path, size)));
        }
        file.info.size_bytes = static_cast<std::uint64_t>(size);
    } else if (*type == codec::FileType::symlink) {
        const char* const target = ::archive_entry_symlink(entry);
        if (target == nullptr || *target == '\0') {
            return fail(corrupt(fmt::format("\"{}\": a symlink without a target", path)));
        }
        file.info.link_target = target;
    } else if (*type != codec::FileType::directory) {
        file.info.device_major = static_cast<std::uint32_t>(::archive_entry_rdevmajor(entry));
        file.info.device_minor = static_cast<std::uint32_t>(::archive_entry_rdevminor(entry));
    }
    return file;
}

Result<void> ArchiveStream::read_into(ByteSink& sink) {
    const Utf8Locale locale;
    while (true) {
        const la_ssize_t count = ::archive_read_data(handle_->reader.get(), handle_->output.data(),
                                                     handle_->output.size());
        if (count < 0) {
            return fail(handle_->failure());
        }
        if (count == 0) {
            return {};
        }
        handle_->bytes += static_cast<std::uint64_t>(count);
        if (handle_->bytes > kUnpackedBytesMax) {
            return fail(over_limit(fmt::format("more than {} bytes", kUnpackedBytesMax)));
        }
        CHECK_OK(sink.write(ByteView{handle_->output}.first(static_cast<std::size_t>(count))));
    }
}

}  // namespace lazybuild::files
