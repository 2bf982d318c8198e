// SPDX-License-Identifier: Apache-2.0
#include "builder/files/unpack.h"

#include <fmt/format.h>

#include <cstdlib>
#include <utility>

#include "base/file.h"
#include "builder/files/archive_stream.h"
#include "codec/lexical_path.h"
#include "codec/sha256.h"

namespace lazybuild::files {
namespace {

constexpr std::uint32_t kDirectoryMode = 0755;

std::string spool_directory(const UnpackOptions& options) {
    if (!options.spool.empty()) {
        return options.spool;
    }
    const char* const named = std::getenv("TMPDIR");
    return named != nullptr && *named != '\0' ? named : "/var/tmp";
}

/// Writes one file to the spool and knows its size and digest.
class SpoolSink final : public ByteSink {
  public:
    SpoolSink(const Fd& file, std::uint64_t offset_bytes)
        : file_(file), offset_bytes_(offset_bytes) {}
    Result<void> write(ByteView bytes) override {
        CHECK_OK(pwrite_all(file_.get(), bytes, offset_bytes_ + size_bytes_));
        hash_.update(bytes);
        size_bytes_ += bytes.size();
        return {};
    }
    std::uint64_t size_bytes() const { return size_bytes_; }
    codec::Digest digest() { return hash_.finish(); }

  private:
    const Fd& file_;
    const std::uint64_t offset_bytes_;
    std::uint64_t size_bytes_ = 0;
    codec::Sha256 hash_;
};

class Unpacker {
  public:
    Unpacker(PlannedTree& tree, const UnpackOptions& options, Fd spool)
        : tree_(tree), options_(options), spool_(std::make_shared<const Fd>(std::move(spool))) {}

    Result<void> add(ArchiveStream& archive, ArchivedFile file);

  private:
    Result<std::string> place(std::string_view written);
    Result<void> add_link(const std::string& path, ArchivedFile file);

    PlannedTree& tree_;
    const UnpackOptions& options_;
    const std::shared_ptr<const Fd> spool_;
    std::uint64_t spooled_bytes_ = 0;
};

// Where an entry goes: its directories' symlinks are followed, as unpacking in a root of one's own
// would; its last name is not.
Result<std::string> Unpacker::place(std::string_view written) {
    const std::string clean = codec::normalise_path(written, codec::LeadingParents::keep);
    if (clean == ".." || clean.starts_with("../")) {
        return fail(corrupt(
            fmt::format("invalid entry name \"{}\": it leads out of the archive", written)));
    }
    CHECK_OK(codec::clean_path(written));  // its limits
    if (clean.empty()) {
        return options_.directory;
    }
    const auto [directory, name] = codec::split_path(clean);
    std::string parent = options_.directory;
    parent += parent.empty() || directory.empty() ? "" : "/";
    parent += directory;
    TRY(std::string path, layers::resolve(tree_, parent));
    path += path.empty() ? "" : "/";
    path += name;
    return path;
}

Result<void> Unpacker::add(ArchiveStream& archive, ArchivedFile file) {
    TRY(const std::string path, place(file.path));
    if (options_.owner) {
        file.info.uid = options_.owner->uid;
        file.info.gid = options_.owner->gid;
    }
    if (path == options_.directory) {
        return {};  // "./": the destination stays as it is
    }
    const Owner owner = options_.owner.value_or(Owner{});
    CHECK_OK(tree_.make_directories(std::string{codec::split_path(path).directory},
                                    made_directory(kDirectoryMode, owner.uid, owner.gid)));
    if (file.hard_link) {
        return add_link(path, std::move(file));
    }
    if (file.info.type == codec::FileType::directory) {
        return tree_.put_directory(path, std::move(file.info));
    }
    Payload payload;
    if (file.info.type == codec::FileType::regular) {
        SpoolSink sink{*spool_, spooled_bytes_};
        CHECK_OK(archive.read_into(sink));
        if (sink.size_bytes() != file.info.size_bytes) {
            return fail(corrupt(fmt::format("\"{}\" has {} bytes, and should have {}", file.path,
                                            sink.size_bytes(), file.info.size_bytes)));
        }
        payload.spool = spool_;
        payload.offset_bytes = spooled_bytes_;
        payload.digest = sink.digest();
        spooled_bytes_ += sink.size_bytes();
    }
    return tree_.put(path, std::move(file.info), std::move(payload));
}

Result<void> Unpacker::add_link(const std::string& path, ArchivedFile file) {
    TRY(const std::string target, place(*file.hard_link));
    return tree_.link(path, target);
}

}  // namespace

Result<bool> is_archive(layers::FileSource& source, const std::string& path) {
    TRY(const std::unique_ptr<ByteSource> content, source.open(path));
    const auto archive = ArchiveStream::open(*content);
    if (!archive && archive.error().code != std::errc::bad_message) {
        return fail(archive.error());
    }
    return archive.has_value();
}

Result<void> unpack_archive(ByteSource& archive, PlannedTree& tree, const UnpackOptions& options) {
    TRY(Fd spool, open_temporary(spool_directory(options)));
    TRY(ArchiveStream stream, ArchiveStream::open(archive));
    Unpacker unpacker{tree, options, std::move(spool)};
    while (true) {
        TRY(std::optional<ArchivedFile> file, stream.next());
        if (!file) {
            return {};
        }
        CHECK_OK(unpacker.add(stream, *std::move(file)));
    }
}

}  // namespace lazybuild::files
