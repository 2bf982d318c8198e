// SPDX-License-Identifier: Apache-2.0
#include "builder/image/oci_layout.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "base/file.h"
#include "codec/json.h"

namespace lazybuild::image {
namespace {

constexpr std::string_view kVersionFile = R"({"imageLayoutVersion":"1.0.0"})";
constexpr std::uint64_t kVersionFileBytesMax = 4096;
constexpr std::chrono::seconds kLockPatience{30};
constexpr std::chrono::milliseconds kLockPause{20};

bool exists(const std::string& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0;
}

Result<bool> is_empty_directory(const std::string& path) {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory{::opendir(path.c_str()), ::closedir};
    if (!directory) {
        return fail(errno_error("open " + path));
    }
    while (const dirent* entry = ::readdir(directory.get())) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") {
            return false;
        }
    }
    return true;
}

// A directory of somebody else's is left alone.
Result<void> check_others(const std::string& path) {
    if (exists(path + "/oci-layout")) {
        return {};
    }
    TRY(const bool empty, is_empty_directory(path));
    if (empty) {
        return {};
    }
    return fail(invalid(fmt::format(
        "{} holds other things than an OCI image layout; name an empty or a new directory", path)));
}

std::string name_of(const codec::Descriptor& image) {
    const auto name = image.annotations.find(std::string{kLayoutRefName});
    return name == image.annotations.end() ? std::string{} : name->second;
}

// "latest, 3.11 and 2 without a name"
std::string list_names(const codec::Index& index) {
    std::string names;
    std::size_t nameless = 0;
    for (const codec::Descriptor& image : index.manifests) {
        const std::string name = name_of(image);
        if (name.empty()) {
            ++nameless;
        } else {
            names += names.empty() ? name : ", " + name;
        }
    }
    if (nameless != 0) {
        names += fmt::format("{}{} without a name", names.empty() ? "" : " and ", nameless);
    }
    return names.empty() ? "none" : names;
}

}  // namespace

std::string OciLayout::blob_path(const codec::Digest& digest) const {
    return fmt::format("{}/blobs/sha256/{}", path_, digest.hex());
}

Result<void> OciLayout::check_version() const {
    const std::string file = path_ + "/oci-layout";
    auto text = read_file(file, kVersionFileBytesMax);
    if (!text) {
        return fail(
            std::move(text).error().context(fmt::format("{} is not an OCI image layout", path_)));
    }
    TRY(const auto document, codec::JsonDocument::parse(as_bytes(*text), file));
    TRY(const codec::JsonPlace version, document.root().at("imageLayoutVersion"));
    TRY(const std::string number, version.text());
    if (!number.starts_with("1.")) {
        return fail(version.error(fmt::format("version {} is not known", number)));
    }
    return {};
}

Result<OciLayout> OciLayout::open(std::string path) {
    OciLayout layout{std::move(path)};
    CHECK_OK(layout.check_version());
    return layout;
}

Result<void> OciLayout::check_place(const std::string& path) {
    std::filesystem::path nearest{path};
    while (!nearest.empty() && !exists(nearest.string())) {
        nearest = nearest.parent_path();
    }
    const std::string there = nearest.empty() ? "." : nearest.string();
    struct stat status{};
    if (::stat(there.c_str(), &status) == 0 && !S_ISDIR(status.st_mode)) {
        return fail(Error{.code = std::errc::not_a_directory,
                          .message = fmt::format("{} is not a directory", there)});
    }
    if (::access(there.c_str(), W_OK) != 0) {
        return fail(errno_error("write to " + there));
    }
    return there == path ? check_others(path) : Result<void>{};
}

Result<OciLayout> OciLayout::create(std::string path) {
    OciLayout layout{std::move(path)};
    const bool is_new = !exists(layout.path_);
    CHECK_OK(make_directories(layout.path_));
    // Before anything is looked at: another process may be in the middle of making it.
    TRY(const Fd locked, layout.lock());
    if (exists(layout.path_ + "/oci-layout")) {
        CHECK_OK(layout.check_version());
    } else if (!is_new) {
        CHECK_OK(check_others(layout.path_));
    }
    CHECK_OK(make_directories(layout.path_ + "/blobs/sha256"));
    if (!exists(layout.path_ + "/index.json")) {
        codec::Index index;
        index.media_type = std::string{codec::media_type::kOciIndex};
        CHECK_OK(replace_file(layout.path_ + "/index.json", as_bytes(index.serialize())));
    }
    if (!exists(layout.path_ + "/oci-layout")) {
        CHECK_OK(replace_file(layout.path_ + "/oci-layout", as_bytes(kVersionFile)));
    }
    return layout;
}

Result<Fd> OciLayout::lock() const {
    TRY(Fd directory, open_file(path_, O_RDONLY | O_DIRECTORY));
    const auto end = std::chrono::steady_clock::now() + kLockPatience;
    while (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return fail(errno_error("lock " + path_));
        }
        if (std::chrono::steady_clock::now() > end) {
            return fail(
                Error{.code = std::errc::device_or_resource_busy,
                      .message = fmt::format("{}: another program is writing to it", path_)});
        }
        std::this_thread::sleep_for(kLockPause);
    }
    return directory;
}

Result<codec::Index> OciLayout::read_index() const {
    const std::string file = path_ + "/index.json";
    TRY(const std::string text, read_file(file, codec::kJsonDocumentBytesMax));
    auto index = codec::Index::parse(as_bytes(text), "");
    if (!index) {
        return fail(std::move(index).error().context(file));
    }
    return index;
}

Result<codec::Descriptor> OciLayout::find(const std::string& tag) const {
    TRY(const codec::Index index, read_index());
    std::optional<codec::Descriptor> found;
    std::size_t matches = 0;
    for (const codec::Descriptor& image : index.manifests) {
        if (name_of(image) == tag) {
            found = image;
            ++matches;
        }
    }
    if (matches == 1) {
        return *std::move(found);
    }
    if (tag.empty() && index.manifests.size() == 1) {
        return index.manifests[0];
    }
    return fail(Error{
        .code = std::errc::no_such_file_or_directory,
        .message = tag.empty() ? fmt::format("{} holds several images: {}; name one by its tag",
                                             path_, list_names(index))
                               : fmt::format("{} holds {} tagged \"{}\"; its images: {}", path_,
                                             matches == 0 ? "no image" : "more than one image", tag,
                                             list_names(index))});
}

Result<Fd> OciLayout::open_blob(const codec::Descriptor& blob) const {
    const std::string path = blob_path(blob.digest);
    // O_NONBLOCK: a FIFO where a blob belongs must not stop us for ever.
    TRY(Fd file, open_file(path, O_RDONLY | O_NONBLOCK));
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) {
        return fail(errno_error("stat " + path));
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(corrupt(path + ": not a regular file"));
    }
    if (static_cast<std::uint64_t>(status.st_size) != blob.size_bytes) {
        return fail(corrupt(fmt::format("{}: {} bytes, where the image says {}", path,
                                        status.st_size, blob.size_bytes)));
    }
    return file;
}

bool OciLayout::has_blob(const codec::Descriptor& blob) const {
    struct stat status{};
    return ::stat(blob_path(blob.digest).c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
           static_cast<std::uint64_t>(status.st_size) == blob.size_bytes;
}

Result<std::optional<std::uint64_t>> OciLayout::blob_size(const codec::Digest& blob) const {
    const std::string path = blob_path(blob);
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) {
        const bool missing = errno == ENOENT || errno == ENOTDIR;
        return missing ? Result<std::optional<std::uint64_t>>{std::nullopt}
                       : fail(errno_error("stat " + path));
    }
    return S_ISREG(status.st_mode) ? std::optional{static_cast<std::uint64_t>(status.st_size)}
                                   : std::nullopt;
}

Result<SpoolFile> OciLayout::begin_blob() const {
    return SpoolFile::create(path_ + "/blobs/sha256");
}

Result<void> OciLayout::put_blob(const codec::Descriptor& blob, SpoolFile content) const {
    const std::string path = blob_path(blob.digest);
    if (!has_blob(blob) && ::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return fail(errno_error("remove the damaged blob " + path));
    }
    return content.publish(path);
}

Result<void> OciLayout::put_bytes(const codec::Descriptor& blob, ByteView bytes) const {
    TRY(SpoolFile content, begin_blob());
    CHECK_OK(write_all(content.fd(), bytes));
    return put_blob(blob, std::move(content));
}

Result<void> OciLayout::set_image(const std::string& tag, codec::Descriptor image) const {
    // Blobs first: a name must not survive a crash that the blobs did not.
    CHECK_OK(sync_directory(path_ + "/blobs/sha256"));
    TRY(const Fd locked, lock());
    TRY(codec::Index index, read_index());
    if (tag.empty()) {
        image.annotations.erase(std::string{kLayoutRefName});
    } else {
        image.annotations[std::string{kLayoutRefName}] = tag;
    }
    std::vector<codec::Descriptor> images;
    bool placed = false;
    for (codec::Descriptor& old : index.manifests) {
        if (name_of(old) != tag) {
            images.push_back(std::move(old));
        } else if (!std::exchange(placed, true)) {
            images.push_back(image);
        }
    }
    if (!placed) {
        images.push_back(std::move(image));
    }
    index.manifests = std::move(images);
    return replace_file(path_ + "/index.json", as_bytes(index.serialize()));
}

Result<void> OciLayout::keep_only(const std::string& tag,
                                  const std::set<codec::Digest>& blobs) const {
    TRY(const Fd locked, lock());
    TRY(codec::Index index, read_index());
    std::erase_if(index.manifests,
                  [&tag](const codec::Descriptor& image) { return name_of(image) != tag; });
    CHECK_OK(replace_file(path_ + "/index.json", as_bytes(index.serialize())));
    const std::string directory = path_ + "/blobs/sha256";
    const std::unique_ptr<DIR, int (*)(DIR*)> listing{::opendir(directory.c_str()), ::closedir};
    if (!listing) {
        return fail(errno_error("open " + directory));
    }
    while (const dirent* entry = ::readdir(listing.get())) {
        const auto digest = codec::Digest::parse(fmt::format("sha256:{}", entry->d_name));
        // What has no digest for a name is a blob that somebody is writing, or nothing of ours.
        if (digest && !blobs.contains(*digest) && ::unlink(blob_path(*digest).c_str()) != 0 &&
            errno != ENOENT) {
            return fail(errno_error("remove " + blob_path(*digest)));
        }
    }
    return {};
}

}  // namespace lazybuild::image
