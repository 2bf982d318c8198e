// SPDX-License-Identifier: Apache-2.0
#include "builder/export/store_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <map>
#include <utility>
#include <vector>

#include "base/file.h"
#include "builder/image/file_stream.h"
#include "builder/image/open_image.h"
#include "codec/json.h"

namespace lazybuild::exporter {
namespace {

class StoreSource final : public image::ImageSource {
  public:
    StoreSource(layers::LayerStore& store, image::Session& session, std::string name,
                codec::Descriptor root)
        : store_(store), session_(session), name_(std::move(name)), root_(std::move(root)) {}

    std::string name() const override { return name_; }
    store::Origin origin() const override {
        return {.kind = store::Origin::Kind::oci_layout, .host = {}, .path = store_.root()};
    }

    io::Task<Result<registry::Document>> root(io::Wait wait) override {
        return document(root_, std::move(wait));
    }
    io::Task<Result<registry::Document>> document(codec::Descriptor descriptor,
                                                  io::Wait wait) override {
        registry::Document document{
            .media_type = descriptor.media_type, .digest = descriptor.digest, .bytes = {}};
        document.bytes = co_await io::or_return(co_await image::read_blob(
            session_, *this, std::move(descriptor), codec::kJsonDocumentBytesMax, wait));
        co_return document;
    }

    io::Task<Result<std::unique_ptr<registry::BlobStream>>> open_blob(codec::Descriptor blob,
                                                                      std::uint64_t offset_bytes,
                                                                      io::Wait wait) override;
    io::Task<Result<Bytes>> read_range(codec::Digest blob, std::uint64_t offset_bytes,
                                       std::uint64_t size_bytes, io::Wait wait) override;
    io::Task<Result<std::optional<std::uint64_t>>> blob_size(codec::Digest blob,
                                                             io::Wait wait) override;
    Result<std::optional<Fd>> local_blob(const codec::Descriptor& blob) const override;

  private:
    Result<std::optional<Fd>> open_file_of(const codec::Digest& blob) const;
    Result<std::vector<image::ImageSource*>> elsewhere(const codec::Digest& blob);

    layers::LayerStore& store_;
    image::Session& session_;
    std::string name_;
    codec::Descriptor root_;
    std::map<std::string, std::unique_ptr<image::ImageSource>> elsewhere_;  // on the reactor
};

Result<std::optional<Fd>> StoreSource::open_file_of(const codec::Digest& blob) const {
    const auto path = store_.blob_path(blob);
    if (!path) {
        return std::nullopt;
    }
    TRY(Fd file, open_file(*path, O_RDONLY));
    return std::optional{std::move(file)};
}

Result<std::optional<Fd>> StoreSource::local_blob(const codec::Descriptor& blob) const {
    TRY(std::optional<Fd> file, open_file_of(blob.digest));
    if (file) {
        struct stat status{};
        if (::fstat(file->get(), &status) != 0) {
            return fail(errno_error("stat of blob " + blob.digest.text()));
        }
        if (static_cast<std::uint64_t>(status.st_size) != blob.size_bytes) {
            return fail(corrupt(fmt::format("blob {} in {}: {} bytes, not {}", blob.digest.text(),
                                            store_.root(), status.st_size, blob.size_bytes)));
        }
    }
    return file;
}

// All places where the blob may be, opened. Those that cannot be are left out: the next may do.
Result<std::vector<image::ImageSource*>> StoreSource::elsewhere(const codec::Digest& blob) {
    TRY(const std::vector<store::Origin> origins, store_.origins(blob));
    std::vector<image::ImageSource*> sources;
    for (const store::Origin& origin : origins) {
        const std::string key =
            fmt::format("{} {} {}", static_cast<int>(origin.kind), origin.host, origin.path);
        auto known = elsewhere_.find(key);
        if (known == elsewhere_.end()) {
            auto opened = image::origin_source(origin, session_);
            if (!opened) {
                continue;
            }
            known = elsewhere_.emplace(key, *std::move(opened)).first;
        }
        sources.push_back(known->second.get());
    }
    if (sources.empty()) {
        return fail(Error{.code = std::errc::no_such_file_or_directory,
                          .message = fmt::format("blob {} is not in {}, and no other place is "
                                                 "known where it is",
                                                 blob.text(), store_.root())});
    }
    return sources;
}

io::Task<Result<std::unique_ptr<registry::BlobStream>>> StoreSource::open_blob(
    codec::Descriptor blob, std::uint64_t offset_bytes, io::Wait wait) {
    std::optional<Fd> file = co_await io::or_return(local_blob(blob));
    if (file) {
        co_return image::file_stream(*std::move(file), offset_bytes, blob.size_bytes, session_);
    }
    const auto sources = co_await io::or_return(elsewhere(blob.digest));
    Result<std::unique_ptr<registry::BlobStream>> stream = nullptr;
    for (image::ImageSource* const source : sources) {
        stream = co_await source->open_blob(blob, offset_bytes, wait);
        const bool done = stream || stream.error().code == std::errc::operation_canceled;
        if (done) {
            break;
        }
    }
    co_return stream;
}

io::Task<Result<Bytes>> StoreSource::read_range(codec::Digest blob, std::uint64_t offset_bytes,
                                                std::uint64_t size_bytes, io::Wait wait) {
    const std::optional<Fd> file = co_await io::or_return(open_file_of(blob));
    if (file) {
        Bytes bytes(size_bytes);
        const FdAccess access = co_await io::or_return(FdAccess::open(file->get()));
        auto job = [&access, &bytes, offset_bytes] { return access.read_at(offset_bytes, bytes); };
        co_await io::or_return(
            co_await io::run_on(session_.pool(), session_.reactor(), std::move(job)));
        co_return bytes;
    }
    const auto sources = co_await io::or_return(elsewhere(blob));
    Result<Bytes> bytes;
    for (image::ImageSource* const source : sources) {
        bytes = co_await source->read_range(blob, offset_bytes, size_bytes, wait);
        const bool done = bytes || bytes.error().code == std::errc::operation_canceled;
        if (done) {
            break;
        }
    }
    co_return bytes;
}

io::Task<Result<std::optional<std::uint64_t>>> StoreSource::blob_size(codec::Digest blob,
                                                                      io::Wait wait) {
    const std::optional<Fd> file = co_await io::or_return(open_file_of(blob));
    if (file) {
        const FdAccess access = co_await io::or_return(FdAccess::open(file->get()));
        co_return access.size_bytes();
    }
    const auto sources = co_await io::or_return(elsewhere(blob));
    Result<std::optional<std::uint64_t>> size_bytes;
    for (image::ImageSource* const source : sources) {
        size_bytes = co_await source->blob_size(blob, wait);
        const bool done = size_bytes ? size_bytes->has_value()
                                     : size_bytes.error().code == std::errc::operation_canceled;
        if (done) {
            break;
        }
    }
    co_return size_bytes;
}

}  // namespace

std::unique_ptr<image::ImageSource> store_source(layers::LayerStore& store, image::Session& session,
                                                 std::string name, codec::Descriptor root) {
    return std::make_unique<StoreSource>(store, session, std::move(name), std::move(root));
}

}  // namespace lazybuild::exporter
