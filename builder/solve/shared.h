// SPDX-License-Identifier: Apache-2.0
// What the steps of all plans of one Solver share. Threads: any.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "builder/solve/flights.h"
#include "builder/solve/solver.h"

namespace lazybuild::solve {

/// A task that runs, and the layers that it may be fetching from. Shared guards what is in it.
struct Running {
    struct Watched {
        layers::LayerPointer layer;
        std::uint64_t failed_before = 0, fetched_before = 0;
    };
    TaskId task = 0;
    std::vector<Watched> layers;
    std::uint64_t shown_bytes = 0;
};

class Shared {
  public:
    Shared(layers::LayerStore& store_in, Records& records_in, Sources sources_in,
           Operations operations_in, StepRunner& runner_in, Progress& progress_in,
           SolveOptions options_in);

    layers::LayerStore& store;
    Records& records;
    const Sources sources;
    const Operations operations;
    StepRunner& runner;
    Progress& progress;
    const SolveOptions options;
    Flights flights;

    /// What a step with `key` made: in this process or, unless `memory_only`, before, by the
    /// store's records and then by those of caches.
    Result<std::optional<Made>> find(const codec::Digest& key, bool memory_only);

    /// Layers that could not be read although the store has them: as if it had not.
    void lose(const codec::Digest& layer);
    void keep(const codec::Digest& layer);
    bool lost(const codec::Digest& layer);

    /// What fetching is shown for, while the pointer is held.
    std::shared_ptr<Running> watch(TaskId task);
    void watch(Running& running, const layers::Snapshot& snapshot);
    /// Layer and bytes that were fetched of it since it was first watched.
    std::vector<std::pair<std::string, std::uint64_t>> fetched(const Running& running);
    /// Layers of which a read has failed; from now on watched anew, from none.
    std::vector<codec::Digest> take_failed(Running& running);
    void show_fetching();

  private:
    std::mutex mutex_;
    std::set<codec::Digest> lost_;
    std::vector<std::weak_ptr<Running>> running_;
};

}  // namespace lazybuild::solve
