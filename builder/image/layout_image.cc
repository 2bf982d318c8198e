// SPDX-License-Identifier: Apache-2.0
#include "builder/image/layout_image.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "builder/image/file_stream.h"
#include "codec/sha256.h"

namespace lazybuild::image {
namespace {

class LayoutSource final : public ImageSource {
  public:
    LayoutSource(OciLayout layout, std::string tag, std::string name, TemporaryDirectory owned,
                 Session& session)
        : layout_(std::move(layout)),
          tag_(std::move(tag)),
          name_(std::move(name)),
          owned_(std::move(owned)),
          session_(session) {}

    std::string name() const override { return name_; }
    store::Origin origin() const override {
        std::error_code failure;  // a working directory that is gone: then it stays relative
        const auto path = std::filesystem::absolute(layout_.path(), failure);
        return {.kind = store::Origin::Kind::oci_layout,
                .host = {},
                .path = failure ? layout_.path() : path.string()};
    }

    io::Task<Result<registry::Document>> root(io::Wait wait) override {
        codec::Descriptor image = co_await io::or_return(layout_.find(tag_));
        co_return co_await document(std::move(image), std::move(wait));
    }

    io::Task<Result<registry::Document>> document(codec::Descriptor descriptor,
                                                  io::Wait wait) override {
        registry::Document document;
        document.media_type = descriptor.media_type;
        document.digest = descriptor.digest;
        document.bytes = co_await io::or_return(co_await read_blob(
            session_, *this, std::move(descriptor), codec::kJsonDocumentBytesMax, wait));
        co_return document;
    }

    io::Task<Result<std::unique_ptr<registry::BlobStream>>> open_blob(codec::Descriptor blob,
                                                                      std::uint64_t offset_bytes,
                                                                      io::Wait /*wait*/) override {
        Fd file = co_await io::or_return(layout_.open_blob(blob));
        co_return file_stream(std::move(file), offset_bytes, blob.size_bytes, session_);
    }

    io::Task<Result<Bytes>> read_range(codec::Digest blob, std::uint64_t offset_bytes,
                                       std::uint64_t size_bytes, io::Wait /*wait*/) override {
        const Fd file = co_await io::or_return(
            open_file(fmt::format("{}/blobs/sha256/{}", layout_.path(), blob.hex()), 0));
        Bytes bytes(size_bytes);
        auto job = [&file, &bytes, offset_bytes] {
            return pread_full(file.get(), bytes, offset_bytes);
        };
        const std::size_t count = co_await io::or_return(
            co_await io::run_on(session_.pool(), session_.reactor(), std::move(job)));
        if (count != size_bytes) {
            co_return fail(invalid(fmt::format("blob {} ends before byte {}", blob.text(),
                                               offset_bytes + size_bytes)));
        }
        co_return bytes;
    }

    io::Task<Result<std::optional<std::uint64_t>>> blob_size(codec::Digest blob,
                                                             io::Wait /*wait*/) override {
        co_return layout_.blob_size(blob);
    }

    Result<std::optional<Fd>> local_blob(const codec::Descriptor& blob) const override {
        TRY(Fd file, layout_.open_blob(blob));
        return std::optional<Fd>{std::move(file)};
    }

  private:
    OciLayout layout_;
    std::string tag_;
    std::string name_;
    TemporaryDirectory owned_;
    Session& session_;
};

class LayoutTarget final : public ImageTarget {
  public:
    LayoutTarget(OciLayout layout, std::string tag, std::string name, Session& session)
        : layout_(std::move(layout)),
          tag_(std::move(tag)),
          name_(std::move(name)),
          session_(session) {}

    std::string name() const override { return name_; }

    io::Task<Result<bool>> has_blob(codec::Descriptor blob, io::Wait /*wait*/) override {
        co_return layout_.has_blob(blob);
    }

    Result<SpoolFile> begin_blob() override { return layout_.begin_blob(); }

    io::Task<Result<void>> put_blob(codec::Descriptor blob, SpoolFile content,
                                    io::Wait /*wait*/) override {
        auto job = [this, &blob, &content] { return layout_.put_blob(blob, std::move(content)); };
        co_return co_await io::run_on(session_.pool(), session_.reactor(), std::move(job));
    }

    io::Task<Result<BlobOutcome>> copy_blob(ImageSource& source, codec::Descriptor blob,
                                            io::Wait wait) override {
        if (layout_.has_blob(blob)) {
            co_return BlobOutcome::present;
        }
        SpoolFile content = co_await io::or_return(layout_.begin_blob());
        FdSink sink{content.fd()};
        co_await io::or_return(co_await stream_blob(session_, source, blob, sink, wait));
        co_await io::or_return(co_await put_blob(blob, std::move(content), wait));
        co_return BlobOutcome::copied;
    }

    io::Task<Result<void>> put_document(codec::Descriptor descriptor, Bytes bytes,
                                        io::Wait /*wait*/) override {
        auto job = [this, &descriptor, &bytes] { return layout_.put_bytes(descriptor, bytes); };
        co_return co_await io::run_on(session_.pool(), session_.reactor(), std::move(job));
    }

    io::Task<Result<void>> put_small_blob(codec::Descriptor blob, Bytes bytes,
                                          io::Wait wait) override {
        return put_document(std::move(blob), std::move(bytes), std::move(wait));
    }

    io::Task<Result<void>> finish(codec::Descriptor descriptor, Bytes bytes,
                                  io::Wait wait) override {
        co_await io::or_return(co_await put_document(descriptor, std::move(bytes), wait));
        auto job = [this, &descriptor] { return layout_.set_image(tag_, descriptor); };
        co_return co_await io::run_on(session_.pool(), session_.reactor(), std::move(job));
    }

  private:
    OciLayout layout_;
    std::string tag_;
    std::string name_;
    Session& session_;
};

}  // namespace

Result<TemporaryDirectory> TemporaryDirectory::create(const std::string& parent) {
    std::string path = parent + "/lazybuild-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) {
        return fail(errno_error("create a temporary directory in " + parent));
    }
    return TemporaryDirectory{path};
}

TemporaryDirectory::TemporaryDirectory(TemporaryDirectory&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

TemporaryDirectory& TemporaryDirectory::operator=(TemporaryDirectory&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
}

TemporaryDirectory::~TemporaryDirectory() {
    if (!path_.empty()) {
        [[maybe_unused]] const auto removed = remove_tree(path_);
    }
}

std::unique_ptr<ImageSource> layout_source(OciLayout layout, std::string tag, std::string name,
                                           TemporaryDirectory owned, Session& session) {
    return std::make_unique<LayoutSource>(std::move(layout), std::move(tag), std::move(name),
                                          std::move(owned), session);
}

std::unique_ptr<ImageTarget> layout_target(OciLayout layout, std::string tag, std::string name,
                                           Session& session) {
    return std::make_unique<LayoutTarget>(std::move(layout), std::move(tag), std::move(name),
                                          session);
}

}  // namespace lazybuild::image
