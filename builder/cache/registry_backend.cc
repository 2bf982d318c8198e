// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/registry_backend.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "builder/cache/container.h"
#include "builder/export/registry_push.h"
#include "builder/image/registry_image.h"

namespace lazybuild::cache {
namespace {

class RegistryCacheTarget final : public CacheTarget {
  public:
    RegistryCacheTarget(const CacheTo& to, registry::Reference reference, layers::LayerStore& store,
                        image::Session& session)
        : options_{.oci_media_types = to.oci_media_types, .image_manifest = to.image_manifest},
          tag_(reference.tag),
          store_(store),
          push_(store, session, session.client(), reference.repository),
          source_(image_cache_source(image::registry_source(std::move(reference), session), {},
                                     session)) {}

    Result<std::optional<codec::Descriptor>> look() override {
        auto looked = source_->find();
        // Registries say so of repositories that the first push is to make.
        if (!looked && looked.error().code == std::errc::permission_denied) {
            return std::nullopt;
        }
        TRY(const std::optional<CacheFound> found, std::move(looked));
        if (found) {
            root_ = found->root;
            for (const codec::Descriptor& blob : found->blobs) {
                present_.insert(blob.digest);
            }
            if (found->config) {
                present_.insert(found->config->digest);
                return found->config;
            }
        }
        return std::nullopt;
    }
    std::shared_ptr<image::ImageSource> blobs() override { return source_->blobs(); }

    Result<BlobWay> put(const exporter::ImageLayer& layer) override {
        if (present_.contains(layer.descriptor.digest)) {
            return BlobWay::present;
        }
        if (layer.from_base) {
            TRY(const bool stays, is_in_a_registry(layer.descriptor));
            if (stays) {
                TRY(const auto taken, push_.take(layer.descriptor));
                return taken ? way(*taken) : BlobWay::elsewhere;
            }
        }
        TRY(const exporter::PushWay pushed, push_.push(layer.descriptor));
        return way(pushed);
    }
    Result<void> put_bytes(const exporter::NamedDocument& blob) override {
        return present_.contains(blob.descriptor.digest) ? Result<void>{} : push_.push_bytes(blob);
    }
    Result<Committed> commit(const codec::Descriptor& config,
                             const std::vector<codec::Descriptor>& blobs) override {
        TRY(const exporter::NamedDocument document, make_container(config, blobs, options_));
        const codec::Digest& root = document.descriptor.digest;
        if (root == root_) {
            return Committed{.root = document.descriptor, .unchanged = true};
        }
        CHECK_OK(push_.put(document, tag_));
        return Committed{.root = document.descriptor};
    }

  private:
    static BlobWay way(exporter::PushWay pushed) {
        switch (pushed) {
            case exporter::PushWay::present: return BlobWay::present;
            case exporter::PushWay::mounted: return BlobWay::mounted;
            case exporter::PushWay::sent: break;
        }
        return BlobWay::uploaded;
    }
    Result<bool> is_in_a_registry(const codec::Descriptor& blob) {
        TRY(const std::vector<store::Origin> origins, store_.origins(blob.digest));
        return std::ranges::any_of(origins, [](const store::Origin& origin) {
            return origin.kind == store::Origin::Kind::registry;
        });
    }

    const ContainerOptions options_;
    const std::string tag_;
    layers::LayerStore& store_;
    exporter::RegistryPush push_;
    const std::unique_ptr<CacheSource> source_;
    std::optional<codec::Digest> root_;  ///< what the tag stood for
    std::set<codec::Digest> present_;    ///< blobs of what the tag stood for
};

}  // namespace

Result<std::unique_ptr<CacheTarget>> open_registry_target(const CacheTo& to,
                                                          layers::LayerStore& store,
                                                          image::Session& session) {
    TRY(registry::Reference reference, registry::Reference::parse(to.reference));
    if (to.insecure) {
        exporter::trust_repository(session, reference.repository);
    }
    return std::make_unique<RegistryCacheTarget>(to, std::move(reference), store, session);
}

}  // namespace lazybuild::cache
