// SPDX-License-Identifier: Apache-2.0
#include "builder/image/unpack_archive.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/file.h"
#include "builder/image/archive_reader.h"
#include "builder/image/image_documents.h"
#include "codec/json.h"
#include "codec/media_type.h"
#include "codec/oci_config.h"
#include "codec/sha256.h"

namespace lazybuild::image {
namespace {

constexpr int kLinksMax = 8;  ///< that a name in an archive may go through

// Writes to a file and knows the digest of what it wrote.
class DigestingSink final : public ByteSink {
  public:
    explicit DigestingSink(int fd) : file_(fd) {}
    Result<void> write(ByteView bytes) override {
        if (size_bytes_ == 0) {
            gzip_ = bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
        }
        size_bytes_ += bytes.size();
        digest_.update(bytes);
        return file_.write(bytes);
    }
    codec::Descriptor finish() {
        codec::Descriptor blob;
        blob.media_type = gzip_ ? codec::media_type::kOciLayerGzip : codec::media_type::kOciLayer;
        blob.digest = digest_.finish();
        blob.size_bytes = size_bytes_;
        return blob;
    }

  private:
    FdSink file_;
    codec::Sha256 digest_;
    std::uint64_t size_bytes_ = 0;
    bool gzip_ = false;
};

// What of an OCI archive's names becomes a file; nullopt for all others.
std::optional<std::string> layout_name(const std::string& path) {
    constexpr std::string_view kBlobs = "blobs/sha256/";
    if (path == "oci-layout" || path == "index.json") {
        return path;
    }
    if (path.starts_with(kBlobs)) {
        if (const auto digest = codec::Digest::parse("sha256:" + path.substr(kBlobs.size()))) {
            return fmt::format("{}{}", kBlobs, digest->hex());
        }
    }
    return std::nullopt;
}

// The files of a `docker save` archive, all put into a layout as blobs, by their names.
class DockerArchive {
  public:
    explicit DockerArchive(const OciLayout& layout) : layout_(layout) {}

    Result<void> unpack(ArchiveReader reader);
    /// The blob that a name stands for. Errors: bad_message.
    Result<codec::Descriptor> find(const std::string& name) const;
    Result<Bytes> read_document(const codec::Descriptor& blob) const;

  private:
    const OciLayout& layout_;
    std::map<std::string, codec::Descriptor> files_;
    std::map<std::string, ArchiveEntry> links_;
};

Result<void> DockerArchive::unpack(ArchiveReader reader) {
    while (true) {
        TRY(auto entry, reader.next());
        if (!entry) {
            return {};
        }
        if (entry->kind == ArchiveEntry::Kind::link) {
            std::string path = entry->path;
            links_.insert_or_assign(std::move(path), *std::move(entry));
        } else if (entry->kind == ArchiveEntry::Kind::file) {
            TRY(SpoolFile content, layout_.begin_blob());
            DigestingSink sink{content.fd()};
            CHECK_OK(reader.read_into(sink));
            const codec::Descriptor blob = sink.finish();
            CHECK_OK(layout_.put_blob(blob, std::move(content)));
            files_.insert_or_assign(entry->path, blob);
        }
    }
}

// "a/b/layer.tar" with the link target "../c/layer.tar" → "a/c/layer.tar".
std::string link_destination(const ArchiveEntry& link) {
    if (!link.symbolic) {
        return link.target;
    }
    std::vector<std::string> parts;
    const std::string whole = link.path.substr(0, link.path.rfind('/') + 1) + link.target;
    for (std::size_t start = 0; start < whole.size();) {
        const std::size_t end = std::min(whole.find('/', start), whole.size());
        const std::string part = whole.substr(start, end - start);
        if (part == ".." && !parts.empty()) {
            parts.pop_back();
        } else if (!part.empty() && part != "." && part != "..") {
            parts.push_back(part);
        }
        start = end + 1;
    }
    return fmt::format("{}", fmt::join(parts, "/"));
}

Result<codec::Descriptor> DockerArchive::find(const std::string& name) const {
    std::string path = name;
    for (int hops = 0; hops <= kLinksMax; ++hops) {
        if (const auto file = files_.find(path); file != files_.end()) {
            return file->second;
        }
        const auto link = links_.find(path);
        if (link == links_.end()) {
            break;
        }
        path = link_destination(link->second);
    }
    return fail(corrupt(fmt::format("it has no file \"{}\", which its manifest.json names", name)));
}

Result<Bytes> DockerArchive::read_document(const codec::Descriptor& blob) const {
    if (blob.size_bytes > codec::kJsonDocumentBytesMax) {
        return fail(over_limit("a JSON document that is too large"));
    }
    TRY(const Fd file, layout_.open_blob(blob));
    Bytes bytes(blob.size_bytes);
    TRY(const std::size_t count, pread_full(file.get(), bytes, 0));
    if (count != bytes.size()) {
        return fail(corrupt("a file became shorter"));
    }
    return bytes;
}

struct SavedImage {
    std::string config;
    std::vector<std::string> layers;
};

bool has_tag(const std::vector<std::string>& names, const std::string& tag) {
    return std::ranges::any_of(
        names, [&tag](const std::string& name) { return name.ends_with(":" + tag); });
}

// manifest.json: [{"Config": name, "RepoTags": ["a:b"], "Layers": [names]}]
Result<SavedImage> choose_image(ByteView text, const std::string& tag) {
    TRY(const auto document, codec::JsonDocument::parse(text, "manifest.json"));
    TRY(const std::vector<codec::JsonPlace> images, document.root().array());
    std::optional<codec::JsonPlace> chosen;
    std::string names;
    for (const codec::JsonPlace& image : images) {
        TRY(const std::vector<std::string> tags, image.text_array_or_empty("RepoTags"));
        names += fmt::format(" {}", fmt::join(tags, " "));
        if (tag.empty() ? images.size() == 1 : has_tag(tags, tag)) {
            chosen = image;
        }
    }
    if (!chosen) {
        return fail(
            Error{.code = std::errc::no_such_file_or_directory,
                  .message = fmt::format(
                      "no image {}; it holds:{}",
                      tag.empty() ? "without naming its tag" : "tagged \"" + tag + "\"", names)});
    }
    SavedImage image;
    TRY(const codec::JsonPlace config, chosen->at("Config"));
    TRY(image.config, config.text());
    TRY(image.layers, chosen->text_array_or_empty("Layers"));
    return image;
}

}  // namespace

Result<OciLayout> unpack_oci_archive(const std::string& file, const std::string& directory,
                                     const io::CancelToken& cancel) {
    TRY(ArchiveReader reader, ArchiveReader::open(file, cancel));
    CHECK_OK(make_directories(directory + "/blobs/sha256"));
    while (true) {
        TRY(const auto entry, reader.next());
        if (!entry) {
            break;
        }
        const auto name = layout_name(entry->path);
        if (entry->kind == ArchiveEntry::Kind::file && name) {
            TRY(const Fd out, open_file(fmt::format("{}/{}", directory, *name),
                                        O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW));
            FdSink sink{out.get()};
            CHECK_OK(reader.read_into(sink));
        }
    }
    return OciLayout::open(directory);
}

Result<OciLayout> unpack_docker_archive(const std::string& file, const std::string& tag,
                                        const std::string& directory,
                                        const io::CancelToken& cancel) {
    TRY(ArchiveReader reader, ArchiveReader::open(file, cancel));
    TRY(OciLayout layout, OciLayout::create(directory));
    DockerArchive archive{layout};
    CHECK_OK(archive.unpack(std::move(reader)));
    TRY(const codec::Descriptor list, archive.find("manifest.json"));
    TRY(const Bytes list_text, archive.read_document(list));
    TRY(const SavedImage image, choose_image(list_text, tag));

    codec::Manifest manifest;
    manifest.media_type = codec::media_type::kOciManifest;
    TRY(manifest.config, archive.find(image.config));
    manifest.config.media_type = codec::media_type::kOciConfig;
    for (const std::string& name : image.layers) {
        TRY(codec::Descriptor layer, archive.find(name));
        manifest.layers.push_back(std::move(layer));
    }
    const std::string text = manifest.serialize();
    codec::Descriptor descriptor = describe(manifest.media_type, as_bytes(text));
    CHECK_OK(layout.put_bytes(descriptor, as_bytes(text)));
    CHECK_OK(layout.set_image("", std::move(descriptor)));
    return layout;
}

}  // namespace lazybuild::image
