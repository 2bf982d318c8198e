// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/exec/fake_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <set>
#include <utility>

#include "base/file.h"
#include "codec/sha256.h"
#include "fuse/mounts.h"

namespace lazybuild::exec::test {
namespace {

using codec::FileType;
using codec::LayerEntry;
using layers::FileInfo;

constexpr std::uint64_t kFileBytesMax = 1 << 24;

/// The bytes of a file, kept.
class OwnedSource final : public ByteSource {
  public:
    explicit OwnedSource(std::string text) : text_(std::move(text)), rest_(as_bytes(text_)) {}
    Result<std::size_t> read(MutableByteView out) override { return rest_.read(out); }

  private:
    std::string text_;
    MemorySource rest_;
};

/// Several views, the topmost first.
class StackedSource final : public layers::FileSource {
  public:
    explicit StackedSource(std::vector<DirectorySource> sources) : sources_(std::move(sources)) {}
    Result<std::optional<FileInfo>> look(std::string_view path) override {
        for (DirectorySource& source : sources_) {
            TRY(auto info, source.look(path));
            if (info) {
                return info;
            }
        }
        return std::nullopt;
    }
    Result<std::vector<std::string>> list(std::string_view path) override {
        std::set<std::string> names;
        for (DirectorySource& source : sources_) {
            if (auto some = source.list(path)) {
                names.insert(some->begin(), some->end());
            }
        }
        return std::vector<std::string>{names.begin(), names.end()};
    }
    Result<layers::ContentDigest> digest(std::string_view path) override {
        return holder(path).digest(path);
    }
    Result<std::unique_ptr<ByteSource>> open(std::string_view path) override {
        return holder(path).open(path);
    }

  private:
    DirectorySource& holder(std::string_view path) {
        return *std::ranges::find_if(sources_, [path](DirectorySource& source) {
            const auto info = source.look(path);
            return info && *info;
        });
    }
    std::vector<DirectorySource> sources_;
};

/// Unpacks what it is given, as overlayfs wants it.
class DirectoryMaker final : public layers::LayerMaker {
  public:
    explicit DirectoryMaker(std::shared_ptr<DirectoryLayer> layer) : layer_(std::move(layer)) {}

    Result<void> add(LayerEntry entry, ByteSource* content) override {
        layer_->entries.push_back(entry);
        const std::string path = layer_->directory + "/" + entry.path;
        const std::size_t slash = path.rfind('/');
        const std::string name = path.substr(slash + 1);
        if (name == ".wh..wh..opq") {
            ::setxattr(path.substr(0, slash).c_str(), "trusted.overlay.opaque", "y", 1, 0);
            return {};
        }
        if (name.starts_with(".wh.")) {
            ::mknod((path.substr(0, slash + 1) + name.substr(4)).c_str(), S_IFCHR, 0);
            return {};
        }
        if (entry.kind == LayerEntry::Kind::hardlink) {
            return ::link((layer_->directory + "/" + entry.link_target).c_str(), path.c_str()) == 0
                       ? Result<void>{}
                       : fail(errno_error("link " + path));
        }
        CHECK_OK(create(entry, path, content));
        ::lchown(path.c_str(), entry.uid, entry.gid);
        if (entry.type != FileType::symlink) {
            ::chmod(path.c_str(), entry.mode);
        }
        const std::array<timespec, 2> times = {timespec{entry.mtime_s, 0},
                                               timespec{entry.mtime_s, 0}};
        ::utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
        return {};
    }
    Result<layers::LayerPointer> finish() override { return layer_; }

  private:
    Result<void> create(const LayerEntry& entry, const std::string& path, ByteSource* content) {
        switch (entry.type) {
            case FileType::directory: return make_directories(path, 0755);
            case FileType::symlink: ::symlink(entry.link_target.c_str(), path.c_str()); return {};
            case FileType::fifo: ::mkfifo(path.c_str(), 0600); return {};
            case FileType::character:
            case FileType::block:
                ::mknod(path.c_str(), entry.type == FileType::block ? S_IFBLK : S_IFCHR,
                        makedev(entry.device_major, entry.device_minor));
                return {};
            case FileType::regular: break;
        }
        std::string text(entry.size_bytes, '\0');
        if (content != nullptr) {
            TRY(const std::size_t bytes,
                read_full(*content, std::as_writable_bytes(std::span{text})));
            text.resize(bytes);
        }
        layer_->contents[entry.path] = text;
        std::ofstream{path} << text;
        return {};
    }

    std::shared_ptr<DirectoryLayer> layer_;
};

std::string directory_of(const layers::LayerPointer& layer) {
    return static_cast<const DirectoryLayer&>(*layer).directory;
}

}  // namespace

Result<std::optional<FileInfo>> DirectorySource::look(std::string_view path) {
    const std::string whole = directory_ + "/" + std::string{path};
    struct stat status{};
    if (::lstat(whole.c_str(), &status) != 0) {
        return std::nullopt;
    }
    std::error_code ignored;
    if (!path.empty() &&  // no symlinks on the way
        std::filesystem::canonical(std::filesystem::path{whole}.parent_path(), ignored) !=
            std::filesystem::path{whole}.parent_path()) {
        return std::nullopt;
    }
    FileInfo info{.mode = status.st_mode & 07777,
                  .uid = status.st_uid,
                  .gid = status.st_gid,
                  .mtime_s = status.st_mtim.tv_sec};
    if (S_ISDIR(status.st_mode)) {
        info.type = FileType::directory;
    } else if (S_ISLNK(status.st_mode)) {
        info.type = FileType::symlink;
        info.link_target = std::filesystem::read_symlink(whole, ignored).string();
    } else if (S_ISREG(status.st_mode)) {
        info.size_bytes = static_cast<std::uint64_t>(status.st_size);
    } else {
        info.type = S_ISCHR(status.st_mode) ? FileType::character : FileType::fifo;
        info.device_major = major(status.st_rdev);
        info.device_minor = minor(status.st_rdev);
    }
    return info;
}

Result<std::vector<std::string>> DirectorySource::list(std::string_view path) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry :
         std::filesystem::directory_iterator{directory_ + "/" + std::string{path}, error}) {
        names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    return error ? Result<std::vector<std::string>>{fail(
                       Error{std::errc::not_a_directory, std::string{path}})}
                 : names;
}

Result<layers::ContentDigest> DirectorySource::digest(std::string_view path) {
    TRY(const std::string text, read_file(directory_ + "/" + std::string{path}, kFileBytesMax));
    return layers::ContentDigest{.digest = codec::sha256(as_bytes(text))};
}

Result<std::unique_ptr<ByteSource>> DirectorySource::open(std::string_view path) {
    TRY(std::string text, read_file(directory_ + "/" + std::string{path}, kFileBytesMax));
    return std::make_unique<OwnedSource>(std::move(text));
}

DirectoryLayer::DirectoryLayer(std::string host_directory, std::string name)
    : directory(std::move(host_directory)), id_(codec::sha256(as_bytes(name))) {}

Result<std::shared_ptr<const codec::FileTree>> DirectoryLayer::tree() {
    return fail(invalid("a directory has no tree"));
}

Result<void> DirectoryLayer::read_disk(std::uint64_t, MutableByteView) {
    return fail(invalid("a directory has no disk"));
}

Result<void> DirectoryLayer::mount(const std::string&, const std::string&) {
    return fail(invalid("FakeStore mounts its layers itself"));
}

const LayerEntry* find_entry(const DirectoryLayer& layer, std::string_view path) {
    const auto found = std::ranges::find(layer.entries, path, &LayerEntry::path);
    return found == layer.entries.end() ? nullptr : &*found;
}

FakeStore::FakeStore(std::string directory) : directory_(std::move(directory)) {
    std::filesystem::create_directories(directory_ + "/build");
    std::filesystem::create_directories(directory_ + "/empty-1");
    std::filesystem::create_directories(directory_ + "/empty-2");
}

Result<std::unique_ptr<layers::LayerMaker>> FakeStore::make_layer() {
    const std::string directory = fmt::format("{}/layer-{}", directory_, made++);
    CHECK_OK(make_directories(directory));
    return std::make_unique<DirectoryMaker>(std::make_shared<DirectoryLayer>(directory, directory));
}

Result<layers::Snapshot> FakeStore::open_image(std::shared_ptr<image::ImageSource>,
                                               const image::ImageDocument&,
                                               const image::ConfigDocument&) {
    return layers::Snapshot{};
}

Result<std::vector<layers::LayerBlob>> FakeStore::blobs(const codec::Digest&) {
    return std::vector<layers::LayerBlob>{};
}

Result<std::vector<store::Origin>> FakeStore::origins(const codec::Digest&) {
    return std::vector<store::Origin>{};
}

std::unique_ptr<layers::FileSource> FakeStore::view(const layers::Snapshot& snapshot) {
    std::vector<DirectorySource> sources;
    for (auto layer = snapshot.layers.rbegin(); layer != snapshot.layers.rend(); ++layer) {
        sources.emplace_back(directory_of(*layer));
    }
    return std::make_unique<StackedSource>(std::move(sources));
}

Result<void> FakeStore::mount(const layers::Snapshot& snapshot,
                              const layers::SnapshotMount& where) {
    fuse::OverlayMount overlay{
        .lowers = {}, .upper = where.upper, .work = where.work, .target = where.target};
    for (const layers::LayerPointer& layer : snapshot.layers) {
        overlay.lowers.insert(overlay.lowers.begin(), directory_of(layer));
    }
    overlay.lowers.push_back(directory_ + "/empty-1");  // overlayfs wants two where it cannot write
    overlay.lowers.push_back(directory_ + "/empty-2");
    return fuse::mount_overlay(overlay);
}

Result<void> FakeStore::unmount(const std::string& target) {
    return fuse::unmount(target, fuse::UnmountMode::detach);
}

}  // namespace lazybuild::exec::test
