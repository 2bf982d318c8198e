// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/containerd_load.h"

#include <fmt/format.h>

#include <chrono>
#include <random>
#include <set>
#include <utility>

#include "builder/cli/pull_labels.h"
#include "builder/image/image_documents.h"

namespace lazybuild::cli {
namespace {

std::string unique_name() {
    std::random_device random;
    return fmt::format("lazybuild-load-{:08x}{:08x}", random(), random());
}

class ContainerdLoad {
  public:
    ContainerdLoad(image::Session& session, image::ImageSource& source,
                   ContainerdClient& containerd)
        : session_(session), source_(source), containerd_(containerd) {}

    Result<void> run(const std::vector<std::string>& names);
    const std::string& lease() const { return lease_; }

  private:
    Result<void> store_manifest(const image::ImageDocument& manifest);
    Result<void> store(const codec::Descriptor& blob, const Bytes* bytes,
                       const codec::StringMap& labels);

    image::Session& session_;
    image::ImageSource& source_;
    ContainerdClient& containerd_;
    const std::string lease_ = unique_name();
};

// `bytes` null: from the source.
Result<void> ContainerdLoad::store(const codec::Descriptor& blob, const Bytes* bytes,
                                   const codec::StringMap& labels) {
    CHECK_OK(session_.check_interrupt());
    TRY(const auto ingest, containerd_.open_ingest(lease_ + "-" + blob.digest.text(), blob));
    if (ingest->exists()) {
        return labels.empty() ? Result<void>{}
                              : containerd_.set_content_labels(blob.digest, labels);
    }
    if (!ingest->complete()) {
        if (bytes != nullptr) {
            CHECK_OK(ingest->write(*bytes));
        } else {
            CHECK_OK(session_.wait_for(
                image::stream_blob(session_, source_, blob, *ingest, session_.wait())));
        }
    }
    const auto committed = ingest->commit(labels);
    const bool lost_a_race = !committed && committed.error().code == std::errc::file_exists;
    return lost_a_race ? Result<void>{} : committed;
}

// Children first: nothing is ever there whose parts may be collected.
Result<void> ContainerdLoad::store_manifest(const image::ImageDocument& manifest) {
    for (const codec::Descriptor& layer : manifest.manifest->layers) {
        CHECK_OK(store(layer, nullptr, {}));
    }
    CHECK_OK(store(manifest.manifest->config, nullptr, {}));
    return store(manifest.descriptor, &manifest.bytes, manifest_gc_labels(*manifest.manifest));
}

Result<void> ContainerdLoad::run(const std::vector<std::string>& names) {
    TRY(const auto root, session_.wait_for(image::read_root(source_, session_.wait())));
    CHECK_OK(containerd_.create_lease(lease_));
    if (root.index) {
        for (const codec::Descriptor& each : root.index->manifests) {
            TRY(const auto manifest,
                session_.wait_for(image::read_child(source_, each, session_.wait())));
            if (!manifest.manifest) {
                return fail(corrupt("an index in an index"));
            }
            CHECK_OK(store_manifest(manifest));
        }
        CHECK_OK(store(root.descriptor, &root.bytes, index_gc_labels(*root.index)));
    } else {
        CHECK_OK(store_manifest(root));
    }
    for (const std::string& name : names) {
        CHECK_OK(containerd_.put_image(name, root.descriptor));
    }
    return {};
}

}  // namespace

Result<void> load_into_containerd(image::Session& session, image::ImageSource& source,
                                  const std::vector<std::string>& names,
                                  ContainerdClient& containerd) {
    ContainerdLoad load{session, source, containerd};
    const Result<void> loaded = load.run(names);
    containerd.begin_cleanup();
    const Result<void> cleaned = containerd.delete_lease(load.lease());
    if (!cleaned && cleaned.error().code != std::errc::no_such_file_or_directory) {
        session.console().note("warning: " + cleaned.error().message);
    }
    return loaded;
}

}  // namespace lazybuild::cli
