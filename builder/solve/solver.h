// SPDX-License-Identifier: Apache-2.0
// Runs the steps of a plan, or finds what they made before.
//
// Keys (key.h). A step's key is the digest of its definition and of what its inputs are: the id of
// the file system that it works on (which follows from the layers' contents), and of what it copies
// or binds either which file systems that is in, or what the files hold. So a step that is run
// again and makes what it made before leaves every key above it as it was, and so do two ways to
// the same files.
//
// A step's inputs are known by their records alone; layers are opened, bases fetched, contexts read
// only when a step has to run (or its key needs to look at files). A layer that turns out to be
// gone, or cannot be fetched, makes its step a miss, and the step runs. A key that holds a claimed
// digest looks a record up and never makes one. Steps with equal keys, in one process, run once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "builder/files/copy.h"
#include "builder/graph/plan.h"
#include "builder/layers/layer_store.h"
#include "builder/solve/explain.h"
#include "builder/solve/imported_records.h"
#include "builder/solve/progress.h"
#include "builder/solve/records.h"
#include "builder/solve/step_record.h"
#include "builder/solve/step_runner.h"

namespace lazybuild::solve {

/// What a git repository or a file from http is now.
struct RemoteSource {
    std::string identity;  ///< changes when the files do: a commit, a digest
    layers::FileSource* files = nullptr;
};

/// How the solver gets at what is outside. All are called on its threads, several at once, and only
/// when what they give is needed. Sources are owned by whoever made this, and are given out again
/// when asked for twice.
struct Sources {
    /// Layers of an ImageStep.
    std::function<Result<layers::Snapshot>(const graph::ImageStep&, const codec::Platform&)> image;
    /// Ids of an image's layers, from its manifest: no layer is fetched or opened.
    std::function<Result<std::vector<codec::Digest>>(const graph::ImageStep&,
                                                     const codec::Platform&)>
        image_layers;
    /// The directory of a ContextStep.
    std::function<Result<layers::FileSource*>(const graph::ContextStep&)> context;
    std::function<Result<RemoteSource>(const graph::GitStep&)> git;
    std::function<Result<RemoteSource>(const graph::HttpStep&)> http;
};

/// What is done with steps and files: graph::definition, files::select and so on, or a test's.
struct Operations {
    std::function<std::string(const graph::Step&)> definition;
    std::function<Result<files::Selection>(const graph::CopyStep&, const files::Sources&)> select;
    std::function<Result<layers::LayerPointer>(const graph::CopyStep&, const files::Selection&,
                                               layers::FileSource* onto, layers::LayerMaker&)>
        copy;
    std::function<Result<layers::LayerPointer>(const graph::DirectoryStep&,
                                               layers::FileSource& base, layers::LayerMaker&)>
        make_directory;
    /// Lines of the Dockerfile with a mark, for the Error of a step that failed; may be empty.
    std::function<std::string(const dockerfile::Lines&)> excerpt;
    /// Called once, when the first step has failed: ends what waits for the network.
    std::function<void()> give_up;
};

struct SolveOptions {
    std::size_t jobs = 0;  ///< steps at once; 0: as many as are ready, up to kSolveJobsMax
    bool use_cache = true;
    ImportedRecords* imported = nullptr;  ///< asked after the store's; outlives the solver
    bool explain = false;                 ///< misses are compared with imported records, too
    /// Finds out which steps would run and runs none. Nothing is made or recorded; contexts are
    /// read. solve() then gives nothing to build on: explanations() tells.
    bool dry_run = false;
};
inline constexpr std::size_t kSolveJobsMax = 16;

/// What a step made, by id.
struct Solved {
    std::vector<codec::Digest> layer_ids;  ///< bottom first
    /// Of the steps that made them; zero for a base's layers.
    std::vector<codec::Digest> record_keys;
};

/// Threads: any; several plans may be solved at once. Blocks; not on the reactor's thread.
class Solver {
  public:
    /// Everything outlives it.
    Solver(layers::LayerStore& store, Records& records, Sources sources, Operations operations,
           StepRunner& runner, Progress& progress, SolveOptions options);
    ~Solver();
    Solver(const Solver&) = delete;
    Solver& operator=(const Solver&) = delete;

    /// Solves what `results` need; `plan` outlives the solver and is given once. Ends all that runs
    /// when one step fails; the first failure is the Error, with the step's text and lines of the
    /// Dockerfile. `cancel` is asked, not waited on.
    Result<std::vector<Solved>> solve(const graph::Plan& plan,
                                      const std::vector<graph::StepId>& results,
                                      io::CancelToken cancel);
    /// The layers of a solved step, opened (an exporter needs their bytes). Steps whose layers are
    /// gone run. Errors: also resource_unavailable_try_again when they made something else than
    /// solve() said.
    Result<layers::Snapshot> open(const graph::Plan& plan, graph::StepId step);
    /// Of the steps that make layers and that solve() has resolved, in the plan's order: what a
    /// cache is exported from. Errors: those of Records.
    Result<std::vector<StepRecord>> records(const graph::Plan& plan);
    /// Of the steps that were resolved, or have failed, in the plan's order.
    std::vector<StepExplanation> explanations(const graph::Plan& plan);

  private:
    class Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace lazybuild::solve
