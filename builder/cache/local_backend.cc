// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/local_backend.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <optional>
#include <set>
#include <utility>

#include "base/file.h"
#include "builder/cache/container.h"
#include "builder/export/store_source.h"
#include "builder/image/layout_image.h"

namespace lazybuild::cache {
namespace {

class LocalCacheTarget final : public CacheTarget {
  public:
    LocalCacheTarget(const CacheTo& to, image::OciLayout layout, layers::LayerStore& store,
                     image::Session& session)
        : options_{.oci_media_types = to.oci_media_types, .image_manifest = to.image_manifest},
          tag_(to.tag),
          reset_(to.reset),
          session_(session),
          layout_(layout),
          from_(exporter::store_source(store, session, "the store")),
          target_(image::layout_target(layout, tag_, to.name(), session)),
          blobs_(image::layout_source(std::move(layout), tag_, to.name(), {}, session)) {}

    // To look at a blob costs nothing here, so that of what is there only the name is kept.
    Result<std::optional<codec::Descriptor>> look() override {
        auto root = layout_.find(tag_);
        if (!root) {
            const bool nothing = root.error().code == std::errc::no_such_file_or_directory;
            return nothing ? Result<std::optional<codec::Descriptor>>{std::nullopt}
                           : fail(std::move(root).error());
        }
        root_ = root->digest;
        const auto found = image_cache_source(blobs_, *std::move(root), session_)->find();
        if (!found) {
            // One that has lost its manifest is replaced.
            const bool lost = found.error().code == std::errc::no_such_file_or_directory;
            return lost ? Result<std::optional<codec::Descriptor>>{std::nullopt}
                        : fail(found.error());
        }
        return *found ? (*found)->config : std::nullopt;
    }
    std::shared_ptr<image::ImageSource> blobs() override { return blobs_; }

    Result<BlobWay> put(const exporter::ImageLayer& layer) override {
        auto copied =
            session_.wait_for(target_->copy_blob(*from_, layer.descriptor, session_.wait()));
        if (!copied) {
            return fail(std::move(copied).error().context(
                fmt::format("copy {} to {}", layer.descriptor.digest.text(), layout_.path())));
        }
        return *copied == image::BlobOutcome::present ? BlobWay::present : BlobWay::uploaded;
    }
    Result<void> put_bytes(const exporter::NamedDocument& blob) override {
        if (layout_.has_blob(blob.descriptor)) {
            return {};
        }
        return layout_.put_bytes(blob.descriptor, blob.bytes);
    }
    Result<Committed> commit(const codec::Descriptor& config,
                             const std::vector<codec::Descriptor>& blobs) override {
        TRY(const exporter::NamedDocument document, make_container(config, blobs, options_));
        const codec::Digest& root = document.descriptor.digest;
        CHECK_OK(put_bytes(document));
        const bool unchanged = root == root_;
        if (!unchanged) {
            CHECK_OK(layout_.set_image(tag_, document.descriptor));
        }
        if (reset_) {
            std::set<codec::Digest> kept{root, config.digest};
            for (const codec::Descriptor& blob : blobs) {
                kept.insert(blob.digest);
            }
            CHECK_OK(layout_.keep_only(tag_, kept));
        }
        return Committed{.root = document.descriptor, .unchanged = unchanged};
    }

  private:
    const ContainerOptions options_;
    const std::string tag_;
    const bool reset_;
    image::Session& session_;
    const image::OciLayout layout_;
    const std::unique_ptr<image::ImageSource> from_;
    const std::unique_ptr<image::ImageTarget> target_;
    const std::shared_ptr<image::ImageSource> blobs_;
    std::optional<codec::Digest> root_;  ///< what the tag stood for
};

// A document by its digest alone: the size is the file's, the type is in it.
Result<codec::Descriptor> descriptor_of(const std::string& directory, const codec::Digest& digest) {
    const std::string path = fmt::format("{}/blobs/sha256/{}", directory, digest.hex());
    TRY(const Fd file, open_file(path, O_RDONLY | O_NONBLOCK));
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) {
        return fail(errno_error("stat " + path));
    }
    codec::Descriptor descriptor;
    descriptor.digest = digest;
    descriptor.size_bytes = static_cast<std::uint64_t>(status.st_size);
    return descriptor;
}

// As BuildKit: the tag, or the only cache that there is.
Result<codec::Descriptor> find_root(const image::OciLayout& layout, const CacheFrom& from) {
    if (from.digest) {
        return descriptor_of(layout.path(), *from.digest);
    }
    auto tagged = layout.find(from.tag);
    if (tagged || tagged.error().code != std::errc::no_such_file_or_directory) {
        return tagged;
    }
    auto only = layout.find("");
    return only ? std::move(only) : std::move(tagged);
}

}  // namespace

Result<std::unique_ptr<CacheTarget>> open_local_target(const CacheTo& to, layers::LayerStore& store,
                                                       image::Session& session) {
    TRY(image::OciLayout layout, image::OciLayout::create(to.directory));
    return std::make_unique<LocalCacheTarget>(to, std::move(layout), store, session);
}

Result<std::unique_ptr<CacheSource>> open_local_source(const CacheFrom& from,
                                                       image::Session& session) {
    TRY(image::OciLayout layout, image::OciLayout::open(from.directory));
    TRY(codec::Descriptor root, find_root(layout, from));
    return image_cache_source(
        image::layout_source(std::move(layout), from.tag, from.name(), {}, session),
        std::move(root), session);
}

}  // namespace lazybuild::cache
