// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/solver.h"

#include <map>
#include <mutex>

#include "builder/solve/plan_run.h"

namespace lazybuild::solve {

class Solver::Implementation {
  public:
    Implementation(layers::LayerStore& store, Records& records, Sources sources,
                   Operations operations, StepRunner& runner, Progress& progress,
                   SolveOptions options)
        : shared_(store, records, std::move(sources), std::move(operations), runner, progress,
                  options) {}

    PlanRun& run_of(const graph::Plan& plan) {
        const std::lock_guard lock(mutex_);
        std::unique_ptr<PlanRun>& run = runs_[&plan];
        if (run == nullptr) {
            run = std::make_unique<PlanRun>(shared_, plan);
        }
        return *run;
    }

  private:
    Shared shared_;
    std::mutex mutex_;
    std::map<const graph::Plan*, std::unique_ptr<PlanRun>> runs_;
};

Solver::Solver(layers::LayerStore& store, Records& records, Sources sources, Operations operations,
               StepRunner& runner, Progress& progress, SolveOptions options)
    : implementation_(std::make_unique<Implementation>(
          store, records, std::move(sources), std::move(operations), runner, progress, options)) {}

Solver::~Solver() = default;

Result<std::vector<Solved>> Solver::solve(const graph::Plan& plan,
                                          const std::vector<graph::StepId>& results,
                                          io::CancelToken cancel) {
    return implementation_->run_of(plan).solve(results, cancel);
}

Result<layers::Snapshot> Solver::open(const graph::Plan& plan, graph::StepId step) {
    return implementation_->run_of(plan).open(step);
}

Result<std::vector<StepRecord>> Solver::records(const graph::Plan& plan) {
    return implementation_->run_of(plan).records();
}

std::vector<StepExplanation> Solver::explanations(const graph::Plan& plan) {
    return implementation_->run_of(plan).explanations();
}

}  // namespace lazybuild::solve
