// SPDX-License-Identifier: Apache-2.0
#include "builder/image/registry_image.h"

#include <fmt/format.h>

#include <utility>

#include "codec/media_type.h"

namespace lazybuild::image {
namespace {

class RegistrySource final : public ImageSource {
  public:
    RegistrySource(registry::Reference reference, Session& session)
        : reference_(std::move(reference)), client_(session.client()) {}

    std::string name() const override { return reference_.text(); }
    store::Origin origin() const override {
        return {.kind = store::Origin::Kind::registry,
                .host = reference_.repository.host,
                .path = reference_.repository.name};
    }
    const registry::Repository* repository() const override { return &reference_.repository; }

    io::Task<Result<registry::Document>> root(io::Wait wait) override {
        return client_.get_manifest(reference_.repository, reference_.tag_or_digest(),
                                    std::move(wait));
    }

    io::Task<Result<registry::Document>> document(codec::Descriptor descriptor,
                                                  io::Wait wait) override {
        registry::Document document = co_await io::or_return(co_await client_.get_manifest(
            reference_.repository, descriptor.digest.text(), std::move(wait)));
        if (document.bytes.size() != descriptor.size_bytes) {
            co_return fail(corrupt(fmt::format("{}: {} bytes, where its index says {}",
                                               descriptor.digest.text(), document.bytes.size(),
                                               descriptor.size_bytes)));
        }
        co_return document;
    }

    io::Task<Result<std::unique_ptr<registry::BlobStream>>> open_blob(codec::Descriptor blob,
                                                                      std::uint64_t offset_bytes,
                                                                      io::Wait wait) override {
        return client_.open_blob(reference_.repository, blob.digest, offset_bytes, std::move(wait));
    }

    io::Task<Result<Bytes>> read_range(codec::Digest blob, std::uint64_t offset_bytes,
                                       std::uint64_t size_bytes, io::Wait wait) override {
        return client_.get_range(reference_.repository, blob, offset_bytes, size_bytes,
                                 std::move(wait));
    }

    io::Task<Result<std::optional<std::uint64_t>>> blob_size(codec::Digest blob,
                                                             io::Wait wait) override {
        return client_.blob_size(reference_.repository, blob, std::move(wait));
    }

  private:
    registry::Reference reference_;
    registry::Client& client_;
};

class RegistryTarget final : public ImageTarget {
  public:
    RegistryTarget(registry::Reference reference, Session& session)
        : reference_(std::move(reference)), session_(session), client_(session.client()) {}

    std::string name() const override { return reference_.text(); }

    io::Task<Result<bool>> has_blob(codec::Descriptor blob, io::Wait wait) override {
        const std::optional<std::uint64_t> size_bytes = co_await io::or_return(
            co_await client_.blob_size(reference_.repository, blob.digest, std::move(wait)));
        co_return size_bytes.has_value();
    }

    Result<SpoolFile> begin_blob() override {
        return SpoolFile::create(session_.temporary_directory());
    }

    io::Task<Result<void>> put_blob(codec::Descriptor blob, SpoolFile content,
                                    io::Wait wait) override {
        const FdAccess access = co_await io::or_return(FdAccess::open(content.fd()));
        co_return co_await client_.push_blob(reference_.repository, blob.digest, access,
                                             std::move(wait));
    }

    io::Task<Result<BlobOutcome>> copy_blob(ImageSource& source, codec::Descriptor blob,
                                            io::Wait wait) override;

    io::Task<Result<void>> put_document(codec::Descriptor descriptor, Bytes bytes,
                                        io::Wait wait) override {
        return client_.put_manifest(reference_.repository, descriptor.digest.text(),
                                    descriptor.media_type, std::move(bytes), std::move(wait));
    }

    io::Task<Result<void>> put_small_blob(codec::Descriptor blob, Bytes bytes,
                                          io::Wait wait) override {
        const MemoryAccess access{bytes};
        co_return co_await client_.push_blob(reference_.repository, blob.digest, access,
                                             std::move(wait));
    }

    io::Task<Result<void>> finish(codec::Descriptor descriptor, Bytes bytes,
                                  io::Wait wait) override {
        return client_.put_manifest(reference_.repository, reference_.tag, descriptor.media_type,
                                    std::move(bytes), std::move(wait));
    }

  private:
    io::Task<Result<void>> push_file(ImageSource& source, codec::Descriptor blob, Fd file,
                                     io::Wait wait);

    registry::Reference reference_;
    Session& session_;
    registry::Client& client_;
};

io::Task<Result<BlobOutcome>> RegistryTarget::copy_blob(ImageSource& source, codec::Descriptor blob,
                                                        io::Wait wait) {
    const bool present = co_await io::or_return(co_await has_blob(blob, wait));
    if (present) {
        co_return BlobOutcome::present;
    }
    const registry::Repository* const origin = source.repository();
    if (origin != nullptr && origin->host == reference_.repository.host) {
        const bool mounted = co_await io::or_return(
            co_await client_.mount_blob(reference_.repository, blob.digest, origin->name, wait));
        if (mounted) {
            co_return BlobOutcome::mounted;
        }
    }
    if (origin != nullptr) {
        co_await io::or_return(co_await client_.copy_blob(reference_.repository, blob.digest,
                                                          blob.size_bytes, client_, *origin, wait,
                                                          registry::Asked::has_not));
        co_return BlobOutcome::copied;
    }
    std::optional<Fd> file = co_await io::or_return(source.local_blob(blob));
    if (!file) {
        co_return fail(invalid(fmt::format("{} cannot be read for a push", source.name())));
    }
    co_await io::or_return(co_await push_file(source, blob, *std::move(file), wait));
    co_return BlobOutcome::copied;
}

// The registry verifies the digest, so the file is read once. Only when it refuses is the file
// read again, to say whether the file is what was wrong.
io::Task<Result<void>> RegistryTarget::push_file(ImageSource& source, codec::Descriptor blob,
                                                 Fd file, io::Wait wait) {
    class Nowhere final : public ByteSink {
      public:
        Result<void> write(ByteView /*bytes*/) override { return {}; }
    };
    const FdAccess access = co_await io::or_return(FdAccess::open(file.get()));
    const Result<void> pushed = co_await client_.push_blob(reference_.repository, blob.digest,
                                                           access, wait, registry::Asked::has_not);
    if (pushed) {
        co_return pushed;
    }
    if (pushed.error().code != std::errc::operation_canceled) {
        Nowhere nowhere;
        co_await io::or_return(co_await stream_blob(session_, source, blob, nowhere, wait));
    }
    co_return pushed;
}

}  // namespace

std::unique_ptr<ImageSource> registry_source(registry::Reference reference, Session& session) {
    return std::make_unique<RegistrySource>(std::move(reference), session);
}

std::unique_ptr<ImageTarget> registry_target(registry::Reference reference, Session& session) {
    ASSERT(!reference.digest && !reference.tag.empty());
    return std::make_unique<RegistryTarget>(std::move(reference), session);
}

}  // namespace lazybuild::image
