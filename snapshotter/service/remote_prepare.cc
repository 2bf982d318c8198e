// SPDX-License-Identifier: Apache-2.0
// containerd prepares the layers of an image one after the other, and each needs a few round trips
// to the registry. So the first Prepare of an image begins to resolve all layers above it too, and
// the later ones find theirs done: the whole image costs the round trips of one layer.
#include "snapshotter/service/remote_prepare.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "snapshotter/layer/whole_layer.h"

namespace lazybuild::service {
namespace {

using io::or_return;

constexpr std::size_t kResolvesAheadMax = 8;
// A layer may be forgotten between its resolve and its mount, by the removal of the last snapshot
// that had it. Twice in a row is not that.
constexpr int kAttachAttemptsMax = 2;
constexpr io::Clock::duration kNormalPrepareTime = std::chrono::seconds{1};

layer::LayerRequest request_for(const ImageLayer& layer, const registry::Repository& repository) {
    return {.origin = {.kind = store::Origin::Kind::registry,
                       .host = repository.host,
                       .path = repository.name},
            .blob = layer.blob,
            .blob_size_bytes = layer.size_bytes,
            .toc = layer.toc.value_or(codec::Digest{}),
            .diff_id = layer.diff_id};
}

Error not_lazy(const ImageLayer& layer) {
    return Error{std::errc::not_supported,
                 "layer " + layer.blob.text() + " cannot be served lazily: " + layer.not_lazy};
}

std::string label_of(const SnapshotRequest& request, const char* name) {
    const auto label = request.labels.find(name);
    return label == request.labels.end() ? "" : label->second;
}

/// A layer that is no lazy one is nothing to worry about; one that should be and fails is.
void report_full_pull(const SnapshotRequest& request, const Error& error) {
    const bool expected =
        error.code == std::errc::not_supported || error.code == std::errc::invalid_argument;
    log::event(
        expected ? log::Level::info : log::Level::warning, "full pull: layer is not served lazily",
        {{"remote-snapshot-prepared", "false"}, {"key", request.key}, {"reason", error.message}});
}

/// containerd 2.2 and up unpacks all layers of an image at once when it is told that a snapshotter
/// can `rebase`, and names the parents only at the commits. A remote snapshot has its parent from
/// the beginning, and a layer pulled in full would lose its whiteouts in a directory that has none.
bool is_out_of_order(const SnapshotRequest& request) {
    return request.parent.empty() &&
           !label_of(request, "containerd.io/snapshot/parent-chain-id").empty();
}

/// Up to `timeout`, or as long as leaves the caller time for a normal prepare.
io::Clock::duration time_for(const Caller& caller, std::chrono::milliseconds timeout) {
    if (caller.deadline == io::kNoDeadline) {
        return timeout;
    }
    const io::Clock::duration left = caller.deadline - io::Clock::now();
    return std::min<io::Clock::duration>(timeout, left - std::min(left / 4, kNormalPrepareTime));
}

}  // namespace

RemotePreparer::RemotePreparer(Snapshotter& snapshotter, LazyLayers& layers,
                               ImageDocuments& documents, io::Reactor& reactor, io::Pool& pool,
                               std::chrono::milliseconds timeout, RemotePolicy policy)
    : snapshotter_(snapshotter),
      layers_(layers),
      reactor_(reactor),
      pool_(pool),
      timeout_(timeout),
      policy_(policy),
      images_(documents, reactor, timeout),
      ahead_(reactor, kResolvesAheadMax) {}

void RemotePreparer::cancel() {
    stopping_.cancel();
    for (io::CancelSource& caller : callers_) {
        caller.cancel();
    }
}

io::Task<Result<RemoteOutcome>> RemotePreparer::prepare(SnapshotRequest request, Caller caller) {
    if (is_out_of_order(request)) {
        co_return fail(Error{std::errc::operation_not_permitted,
                             "the layers of an image must be prepared one upon the other: do not "
                             "announce the capability \"rebase\" for this snapshotter"});
    }
    if (stopping_.cancelled()) {
        caller.gone.cancel();
    }
    const auto registered = callers_.insert(callers_.end(), caller.gone);
    Limits limits{
        .lazy = {.deadline = io::deadline_in(time_for(caller, timeout_)),
                 .cancel = caller.gone.token()},
        .whole = {.deadline = io::deadline_in(time_for(caller, layer::kWholeLayerTimeMax)),
                  .cancel = caller.gone.token()}};
    auto outcome = co_await make_or_pull(std::move(request), std::move(limits));
    callers_.erase(registered);
    co_return outcome;
}

io::Task<Result<RemoteOutcome>> RemotePreparer::make_or_pull(SnapshotRequest request,
                                                             Limits limits) {
    const io::Deadline begin = io::Clock::now();
    auto look = [this, &request] { return snapshotter_.remote_state(request); };
    auto looked = co_await io::run_on(pool_, reactor_, std::move(look));
    const RemoteState state = co_await or_return(std::move(looked));
    if (state == RemoteState::ready && !policy_.verified_only) {
        co_return RemoteOutcome::attached;
    }
    if (state == RemoteState::quarantined) {
        report_full_pull(request, Error{std::errc::bad_message,
                                        "the lazy layer's content is not what the image claims"});
        co_return RemoteOutcome::not_lazy;
    }
    auto made = co_await make_remote(request, std::move(limits));
    if (made) {
        log::info(*made == Made::lazy ? "layer is served lazily"
                                      : "layer is not lazy, and was unpacked here",
                  {{"remote-snapshot-prepared", "true"},
                   {"key", request.key},
                   {"image", label_of(request, "containerd.io/snapshot/cri.image-ref")},
                   {"layer", label_of(request, "containerd.io/snapshot/cri.layer-digest")}});
        co_return RemoteOutcome::attached;
    }
    if (made.error().code == std::errc::operation_canceled) {
        co_return fail(std::move(made).error());
    }
    if (made.error().code == std::errc::timed_out) {
        const auto took = io::Clock::now() - begin;
        const std::string limit = fmt::format(
            "not ready within {} ms", std::chrono::ceil<std::chrono::milliseconds>(took).count());
        report_full_pull(request, std::move(made).error().context(limit));
    } else {
        report_full_pull(request, made.error());
    }
    co_return RemoteOutcome::not_lazy;
}

io::Task<Result<RemotePreparer::Made>> RemotePreparer::make_remote(SnapshotRequest request,
                                                                   Limits limits) {
    const RemoteTarget target = co_await or_return(parse_remote_labels(request.labels));
    const std::shared_ptr<const Image> image =
        co_await or_return(co_await find_image(target, limits.lazy));
    const std::size_t index = co_await or_return(image->find(target.layer, target.chain_id));
    begin_others(*image, target, index);
    const ImageLayer& layer = image->layers[index];
    if (!takes(layer)) {
        co_return fail(not_lazy(layer));
    }
    if (layer.toc && target.toc && target.toc != layer.toc) {
        co_return fail(corrupt("the TOC digest of the label is not that of the manifest"));
    }
    layer::LayerRequest layer_request = request_for(layer, target.image.repository);
    const Made made = layer.toc ? Made::lazy : Made::whole;
    const io::Wait wait = made == Made::lazy ? limits.lazy : limits.whole;
    co_await or_return(
        co_await resolve_and_attach(std::move(request), std::move(layer_request), wait));
    co_return made;
}

io::Task<Result<std::shared_ptr<const Image>>> RemotePreparer::find_image(RemoteTarget target,
                                                                          io::Wait wait) {
    // The manifest that containerd reads. The reference may have moved on since, or may name an
    // index; it is what is left for clients that do not say the manifest's digest.
    const std::string name =
        target.manifest ? target.manifest->text() : target.image.tag_or_digest();
    auto image = co_await images_.get(target.image.repository, name, wait);
    if (image || !target.manifest || image.error().code != std::errc::no_such_file_or_directory) {
        co_return image;
    }
    const std::string by_reference = target.image.tag_or_digest();
    co_return co_await images_.get(target.image.repository, by_reference, wait);
}

io::Task<Result<void>> RemotePreparer::resolve_and_attach(SnapshotRequest request,
                                                          layer::LayerRequest layer_request,
                                                          io::Wait wait) {
    for (int attempt = 1;; ++attempt) {
        const store::LayerId id = co_await or_return(co_await layers_.resolve(layer_request, wait));
        auto attach = [this, &request, id] { return snapshotter_.attach(request, id); };
        auto attached = co_await io::run_on(pool_, reactor_, std::move(attach));
        if (attached || attached.error().code != std::errc::no_such_device ||
            attempt == kAttachAttemptsMax) {
            co_return attached;
        }
    }
}

void RemotePreparer::begin_others(const Image& image, const RemoteTarget& target,
                                  std::size_t current) {
    for (std::size_t index = current; index < image.layers.size(); ++index) {
        const ImageLayer& layer = image.layers[index];
        // Layers that containerd has already are not in its list, and will not be prepared.
        const bool wanted = target.layers.empty() ||
                            std::ranges::find(target.layers, layer.blob) != target.layers.end();
        const bool first = wanted && takes(layer) && image.begun.insert(layer.blob).second;
        if (first && index != current) {
            reactor_.spawn(resolve_ahead(request_for(layer, target.image.repository)));
        }
    }
}

io::Task<void> RemotePreparer::resolve_ahead(layer::LayerRequest request) {
    const io::Wait wait{.deadline = io::deadline_in(timeout_), .cancel = stopping_.token()};
    auto permit = co_await ahead_.acquire(wait);
    if (!permit) {
        co_return;
    }
    auto resolved = co_await layers_.resolve(request, wait);
    if (!resolved) {
        // Its own Prepare will ask again, and say what it means.
        log::debug("resolving ahead failed",
                   {{"layer", request.blob.text()}, {"reason", resolved.error().message}});
    }
}

}  // namespace lazybuild::service
