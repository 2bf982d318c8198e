// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/image_pull.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "builder/cli/pull_labels.h"
#include "builder/image/work.h"
#include "codec/layer_format.h"
#include "codec/media_type.h"

namespace lazybuild::cli {
namespace {

/// A snapshot that appears and goes again between two calls is somebody else's pull and rare.
constexpr int kPrepareAttempts = 3;

// Different for each run and each use, as keys of snapshots, leases and ingests must be.
std::string unique_name() {
    static std::random_device random;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return fmt::format(
        "{}-{:08x}",
        std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() % 1'000'000'000,
        random());
}

bool has_index(const codec::Descriptor& layer) {
    const codec::LayerFormat* const format = codec::layer_format_for(layer.media_type);
    return format != nullptr && layer.annotations.contains(std::string{format->toc_annotation});
}

// Counts and passes on.
class CountingSink final : public ByteSink {
  public:
    CountingSink(ByteSink& out, std::uint64_t& bytes) : out_(out), bytes_(bytes) {}
    Result<void> write(ByteView bytes) override {
        bytes_ += bytes.size();
        return out_.write(bytes);
    }

  private:
    ByteSink& out_;
    std::uint64_t& bytes_;
};

}  // namespace

ImagePull::ImagePull(image::Session& session, image::ImageSource& source,
                     ContainerdClient& containerd, PullOptions options)
    : session_(session),
      source_(source),
      containerd_(containerd),
      options_(std::move(options)),
      lease_("lazybuild-" + unique_name()),
      finished_(session.reactor()) {}

io::Task<Result<PullSummary>> ImagePull::run() {
    auto watch = io::Shared<void>::start(session_.reactor(), interrupt_with_session());
    const Result<void> pulled = co_await run_leased();
    finished_.set();
    co_await watch.result();
    co_await clean_up();
    if (!pulled) {
        co_return fail(pulled.error());
    }
    co_return summary_;
}

// Calls to containerd know nothing of tokens: an interrupt is brought to them.
io::Task<Result<void>> ImagePull::interrupt_with_session() {
    const Result<void> waited = co_await finished_.wait(session_.wait());
    if (!waited) {
        containerd_.interrupt();
    }
    co_return Result<void>{};
}

// What can be left behind is said, but is no failure: containerd's own expiry has it in a day.
io::Task<void> ImagePull::clean_up() {
    containerd_.begin_cleanup();
    auto job = [this]() -> Result<void> {
        if (!extracting_.empty()) {
            CHECK_OK(containerd_.remove_snapshot(options_.snapshotter, extracting_));
        }
        return containerd_.delete_lease(lease_);
    };
    const Result<void> cleaned = co_await call(std::move(job));
    if (!cleaned && cleaned.error().code != std::errc::no_such_file_or_directory) {
        session_.console().warn(cleaned.error().message);
    }
}

io::Task<Result<void>> ImagePull::run_leased() {
    co_await io::or_return(co_await read_documents());
    auto lease = [this] { return containerd_.create_lease(lease_); };
    co_await io::or_return(co_await call(std::move(lease)));
    co_await io::or_return(co_await store_documents());
    co_await io::or_return(co_await pull_layers());
    auto record = [this] {
        return containerd_.put_image(options_.reference.text(), root_.descriptor);
    };
    co_return co_await call(std::move(record));
}

io::Task<Result<void>> ImagePull::read_documents() {
    root_ = co_await io::or_return(co_await image::read_root(source_, session_.wait()));
    summary_.digest = root_.descriptor.digest;
    summary_.fetched_bytes += root_.bytes.size();
    if (options_.platform_given) {
        manifest_ = co_await io::or_return(co_await image::choose_platform(
            session_, source_, root_, options_.platform, session_.wait()));
    } else {
        manifest_ = co_await io::or_return(
            co_await image::choose_manifest(source_, root_, options_.platform, session_.wait()));
    }
    if (root_.index) {
        summary_.fetched_bytes += manifest_.bytes.size();
    }
    config_ = co_await io::or_return(
        co_await image::read_config(session_, source_, *manifest_.manifest, session_.wait()));
    summary_.fetched_bytes += config_.bytes.size();
    co_return Result<void>{};
}

// Into the content store, unless it is there; labelled either way. `bytes` null: from the source.
io::Task<Result<void>> ImagePull::store(codec::Descriptor blob, const Bytes* bytes,
                                        codec::StringMap labels) {
    const registry::Repository& repository = options_.reference.repository;
    const std::string ref = fmt::format("lazybuild-{}-{}", unique_name(), blob.digest.text());
    auto open = [this, &ref, &blob] { return containerd_.open_ingest(ref, blob); };
    const std::unique_ptr<ContentIngest> ingest =
        co_await io::or_return(co_await call(std::move(open)));
    if (!ingest->exists()) {
        co_await io::or_return(co_await fill_ingest(blob, bytes, *ingest));
        const Label source = source_label(repository, "");
        labels.emplace(source.name, source.value);
        auto commit = [&ingest, &labels] { return ingest->commit(labels); };
        const Result<void> committed = co_await call(std::move(commit));
        const bool lost_a_race = !committed && committed.error().code == std::errc::file_exists;
        if (!lost_a_race) {
            co_return committed;
        }
    }
    auto relabel = [this, &blob, &labels, &repository]() -> Result<void> {
        TRY(const auto present, containerd_.content_labels(blob.digest));
        const std::string name = source_label_name(repository);
        const bool labelled = present && present->contains(name);
        const Label source = source_label(repository, labelled ? present->at(name) : "");
        labels.insert_or_assign(source.name, source.value);
        return containerd_.set_content_labels(blob.digest, labels);
    };
    co_return co_await call(std::move(relabel));
}

io::Task<Result<void>> ImagePull::fill_ingest(codec::Descriptor blob, const Bytes* bytes,
                                              ContentIngest& ingest) {
    if (ingest.complete()) {
        co_return Result<void>{};
    }
    if (bytes != nullptr) {
        auto write = [&ingest, bytes] { return ingest.write(*bytes); };
        co_return co_await call(std::move(write));
    }
    CountingSink sink{ingest, summary_.fetched_bytes};
    co_return co_await image::stream_blob(session_, source_, std::move(blob), sink,
                                          session_.wait());
}

// Children first, and the labels with the content, so that nothing is ever there whose parts may
// be collected.
io::Task<Result<void>> ImagePull::store_documents() {
    const codec::Manifest& manifest = *manifest_.manifest;
    const std::vector<codec::Digest> chain = codec::chain_ids(config_.config.diff_ids);
    codec::StringMap config_labels;
    if (!chain.empty()) {
        config_labels = config_gc_labels(options_.snapshotter, chain.back());
    }
    co_await io::or_return(
        co_await store(manifest.config, &config_.bytes, std::move(config_labels)));
    co_await io::or_return(
        co_await store(manifest_.descriptor, &manifest_.bytes, manifest_gc_labels(manifest)));
    if (root_.index) {
        co_await io::or_return(
            co_await store(root_.descriptor, &root_.bytes, index_gc_labels(*root_.index)));
    }
    co_return Result<void>{};
}

io::Task<Result<void>> ImagePull::pull_layers() {
    const std::vector<codec::Digest> chain = codec::chain_ids(config_.config.diff_ids);
    for (std::size_t i = 0; i < chain.size(); ++i) {
        const auto begin = std::chrono::steady_clock::now();
        Layer layer;
        layer.number = i;
        layer.chain_id = chain[i];
        layer.parent = i == 0 ? "" : chain[i - 1].text();
        const LayerOutcome outcome = co_await io::or_return(co_await pull_layer(layer));
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        report(layer, outcome, took.count());
    }
    co_return Result<void>{};
}

codec::StringMap ImagePull::labels_of(const Layer& layer) const {
    return snapshot_labels(LayerLabels{
        .image = options_.reference.text(),
        .manifest = manifest_.descriptor.digest,
        .layers = manifest_.manifest->layers,
        .layer = layer.number,
        .diff_id = config_.config.diff_ids[layer.number],
        .chain_id = layer.chain_id,
        .parent_chain_id = layer.parent,
    });
}

io::Task<Result<ImagePull::LayerOutcome>> ImagePull::pull_layer(Layer layer) {
    const std::string chain_id = layer.chain_id.text();
    const codec::StringMap labels = labels_of(layer);
    // The lease holds a snapshot before it is looked for, so that it cannot go in between.
    auto is_there = [this, &chain_id]() -> Result<bool> {
        CHECK_OK(containerd_.lease_snapshot(lease_, options_.snapshotter, chain_id));
        return containerd_.has_snapshot(options_.snapshotter, chain_id);
    };
    for (int attempt = 0; attempt < kPrepareAttempts; ++attempt) {
        const bool there = co_await io::or_return(co_await call(is_there));
        if (there) {
            co_return attempt == 0 ? LayerOutcome::present : LayerOutcome::lazy;
        }
        const std::string key = fmt::format("extract-{} {}", unique_name(), chain_id);
        extracting_ = key;
        auto prepare = [this, &key, &layer, &labels] {
            return containerd_.prepare_snapshot(options_.snapshotter, key, layer.parent, labels);
        };
        PreparedSnapshot prepared = co_await io::or_return(co_await call(std::move(prepare)));
        if (!prepared.exists) {
            co_await io::or_return(co_await pull_in_full(layer, key, std::move(prepared.mounts)));
            co_return LayerOutcome::full;
        }
        extracting_.clear();
    }
    co_return fail(Error{
        .code = std::errc::io_error,
        .message = fmt::format("the snapshotter \"{}\" says that it has {}, and does not show it",
                               options_.snapshotter, chain_id)});
}

// The snapshotter wants the layer unpacked: fetch it, have containerd unpack it, check what it was.
io::Task<Result<void>> ImagePull::pull_in_full(Layer layer, std::string key,
                                               std::vector<ContainerdMount> mounts) {
    const codec::Descriptor& blob = manifest_.manifest->layers[layer.number];
    const codec::Digest expected = config_.config.diff_ids[layer.number];
    co_await io::or_return(co_await store(blob, nullptr, {}));

    auto apply = [this, &blob, &mounts] { return containerd_.apply_diff(blob, mounts); };
    const codec::Digest applied = co_await io::or_return(co_await call(std::move(apply)));
    if (applied != expected) {
        co_return fail(
            corrupt(fmt::format("layer {}: its tar has the diffID {}, the config says {}",
                                blob.digest.text(), applied.text(), expected.text())));
    }
    const codec::StringMap labels = labels_of(layer);
    auto commit = [this, &layer, &key, &labels, &blob, expected]() -> Result<void> {
        const auto committed =
            containerd_.commit_snapshot(options_.snapshotter, layer.chain_id.text(), key, labels);
        if (!committed && committed.error().code == std::errc::file_exists) {
            // Somebody else was faster with the same layer; ours goes.
            CHECK_OK(containerd_.remove_snapshot(options_.snapshotter, key));
        } else if (!committed) {
            return committed;
        }
        return containerd_.set_content_labels(blob.digest,
                                              {{"containerd.io/uncompressed", expected.text()}});
    };
    co_await io::or_return(co_await call(std::move(commit)));
    extracting_.clear();
    co_return Result<void>{};
}

void ImagePull::report(const Layer& layer, LayerOutcome outcome, double seconds) {
    const codec::Descriptor& blob = manifest_.manifest->layers[layer.number];
    const char* what = "is there";
    switch (outcome) {
        case LayerOutcome::present: ++summary_.layers_present; break;
        case LayerOutcome::lazy:
            what = has_index(blob) ? "lazy" : "unpacked by the snapshotter";
            ++(has_index(blob) ? summary_.layers_lazy : summary_.layers_unpacked);
            break;
        case LayerOutcome::full:
            what = "pulled in full: the snapshotter did not take it";
            ++summary_.layers_full;
            break;
    }
    session_.console().note(fmt::format(
        "layer {}/{}  {}  {:>9}  {}  {:.1f} s", layer.number + 1, manifest_.manifest->layers.size(),
        image::short_digest(blob.digest), image::size_text(blob.size_bytes), what, seconds));
}

}  // namespace lazybuild::cli
