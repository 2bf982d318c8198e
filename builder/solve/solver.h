// SPDX-License-Identifier: Apache-2.0
// Runs the steps of a plan, or finds what they made before.
//
// Keys (key.h). A step's key is the digest of its definition and of what its inputs are: the id of
// the file system that it works on (Snapshot::id, which follows from the layers' contents), and of
// copied or bound files what they hold. So a step that is run again and makes what it made before
// leaves every key above it as it was, and so do two ways to the same files.
//
// A step's inputs are known by their records alone; layers are opened, bases fetched, contexts read
// only when a step has to run (or its key needs to look at files). A layer that turns out to be
// gone, or cannot be fetched, makes its step a miss, and the step runs. A key that holds a claimed
// digest looks a record up and never makes one. Steps with equal keys, in one process, run once.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "builder/files/copy.h"
#include "builder/graph/plan.h"
#include "builder/layers/layer_store.h"
#include "builder/solve/progress.h"
#include "builder/solve/records.h"
#include "builder/solve/step_runner.h"

namespace lazybuild::solve {

/// How the solver gets at what is outside: everything is called when it is needed, once for each.
struct Sources {
    /// Layers of an ImageStep.
    std::function<Result<layers::Snapshot>(const graph::ImageStep&, const codec::Platform&)> image;
    /// Ids of an image's layers, from its manifest: no layer is fetched or opened.
    std::function<Result<std::vector<codec::Digest>>(const graph::ImageStep&,
                                                     const codec::Platform&)>
        image_layers;
    /// The directory of a ContextStep. Owned by whoever made this.
    std::function<Result<layers::FileSource*>(const graph::ContextStep&)> context;
    std::function<Result<std::pair<std::string, layers::FileSource*>>(const graph::GitStep&)> git;
    std::function<Result<std::pair<std::string, layers::FileSource*>>(const graph::HttpStep&)> http;
};

struct SolveOptions {
    std::size_t jobs = 0;  ///< steps at once; 0: as many as are ready, up to 16
    bool use_cache = true;
};

/// What a step made, by id, and opened when asked for.
struct Solved {
    std::vector<codec::Digest> layer_ids;  ///< bottom first
    std::vector<codec::Digest>
        record_keys;  ///< of the steps that made them; zero for a base's layers
};

class Solver {
  public:
    /// Everything outlives it.
    Solver(layers::LayerStore& store, Records& records, Sources sources, StepRunner& runner,
           Progress& progress, SolveOptions options);
    ~Solver();

    /// Solves what `results` need. Ends all that runs when one fails; the first failure is the
    /// Error, with the step's text and lines of the Dockerfile. `cancel` ends it early.
    Result<std::vector<Solved>> solve(const graph::Plan& plan,
                                      const std::vector<graph::StepId>& results,
                                      io::CancelToken cancel);
    /// The layers of a solved step, opened (an exporter needs their bytes).
    Result<layers::Snapshot> open(const graph::Plan& plan, graph::StepId step);

  private:
    class Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace lazybuild::solve
