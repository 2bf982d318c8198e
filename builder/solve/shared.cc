// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/shared.h"

#include <algorithm>
#include <utility>

namespace lazybuild::solve {

Shared::Shared(layers::LayerStore& store_in, Records& records_in, Sources sources_in,
               Operations operations_in, StepRunner& runner_in, Progress& progress_in,
               SolveOptions options_in)
    : store(store_in),
      records(records_in),
      sources(std::move(sources_in)),
      operations(std::move(operations_in)),
      runner(runner_in),
      progress(progress_in),
      options(options_in) {}

Result<std::optional<Made>> Shared::find(const codec::Digest& key, bool memory_only) {
    if (auto made = flights.find(key)) {
        return made;
    }
    if (memory_only || !options.use_cache) {
        return std::nullopt;
    }
    TRY(const std::optional<Record> record, records.find(key));
    if (record) {
        return Made{.layer = record->layer, .resolution = Resolution::local, .cache = {}};
    }
    if (options.imported != nullptr) {
        if (auto known = options.imported->find(key)) {
            return Made{.layer = known->record.layer,
                        .resolution = Resolution::imported,
                        .cache = std::move(known->cache),
                        .without_layer = !known->no_layer.empty()};
        }
    }
    return std::nullopt;
}

void Shared::lose(const codec::Digest& layer) {
    const std::lock_guard lock(mutex_);
    lost_.insert(layer);
}

void Shared::keep(const codec::Digest& layer) {
    const std::lock_guard lock(mutex_);
    lost_.erase(layer);
}

bool Shared::lost(const codec::Digest& layer) {
    const std::lock_guard lock(mutex_);
    return lost_.contains(layer);
}

std::shared_ptr<Running> Shared::watch(TaskId task) {
    auto running = std::make_shared<Running>();
    running->task = task;
    const std::lock_guard lock(mutex_);
    std::erase_if(running_, [](const auto& other) { return other.expired(); });
    running_.push_back(running);
    return running;
}

void Shared::watch(Running& running, const layers::Snapshot& snapshot) {
    const std::lock_guard lock(mutex_);
    for (const layers::LayerPointer& layer : snapshot.layers) {
        const bool known = std::ranges::any_of(
            running.layers, [&](const auto& watched) { return watched.layer == layer; });
        if (!known) {
            running.layers.push_back({.layer = layer,
                                      .failed_before = layer->failed_reads(),
                                      .fetched_before = layer->fetched_bytes()});
        }
    }
}

std::vector<std::pair<std::string, std::uint64_t>> Shared::fetched(const Running& running) {
    const std::lock_guard lock(mutex_);
    std::vector<std::pair<std::string, std::uint64_t>> fetched;
    for (const Running::Watched& watched : running.layers) {
        const std::uint64_t bytes = watched.layer->fetched_bytes() - watched.fetched_before;
        if (bytes != 0) {
            fetched.emplace_back(watched.layer->id().text(), bytes);
        }
    }
    return fetched;
}

std::vector<codec::Digest> Shared::take_failed(Running& running) {
    const std::lock_guard lock(mutex_);
    std::vector<codec::Digest> failed;
    for (const Running::Watched& watched : running.layers) {
        if (watched.layer->failed_reads() != watched.failed_before) {
            failed.push_back(watched.layer->id());
        }
    }
    if (!failed.empty()) {
        running.layers.clear();
    }
    return failed;
}

void Shared::show_fetching() {
    const std::lock_guard lock(mutex_);
    for (const auto& weak : running_) {
        const auto running = weak.lock();
        if (running == nullptr) {
            continue;
        }
        std::uint64_t fetched_bytes = 0;
        std::uint64_t total_bytes = 0;
        for (const Running::Watched& watched : running->layers) {
            fetched_bytes += watched.layer->fetched_bytes() - watched.fetched_before;
            total_bytes += watched.layer->blob_bytes();
        }
        if (fetched_bytes > running->shown_bytes) {
            running->shown_bytes = fetched_bytes;
            progress.advance(running->task, "fetched lazily", fetched_bytes, total_bytes);
        }
    }
}

}  // namespace lazybuild::solve
