// SPDX-License-Identifier: Apache-2.0
// When the steps of a plan are solved: those that results need, each after its inputs, as many at
// once as there are threads for. Threads are started when there is work that nobody is free for, so
// that a build in which everything is known needs one.
//
// Threads: solve() and open() from any, one after the other.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "builder/solve/step_solver.h"

namespace lazybuild::solve {

class PlanRun {
  public:
    /// Both outlive it.
    PlanRun(Shared& shared, const graph::Plan& plan);
    PlanRun(const PlanRun&) = delete;
    PlanRun& operator=(const PlanRun&) = delete;

    /// What each does, and its Errors: as Solver's.
    Result<std::vector<Solved>> solve(const std::vector<graph::StepId>& results,
                                      const io::CancelToken& cancel);
    Result<layers::Snapshot> open(graph::StepId step);
    Result<std::vector<StepRecord>> records();
    std::vector<StepExplanation> explanations();

  private:
    Result<void> solve_all(const io::CancelToken& cancel);
    Result<void> passes(const io::CancelToken& cancel);
    Result<void> pass(const io::CancelToken& cancel);
    void find_needed();
    void start(graph::StepId step);
    void work();
    void finish(graph::StepId step, Result<void> result);

    Shared& shared_;
    const graph::Plan& plan_;
    io::CancelSource stop_;
    StepSolver steps_;
    std::size_t threads_max_;
    std::mutex calls_;  // one at a time
    std::vector<graph::StepId> results_;
    io::CancelToken cancel_;

    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::vector<bool> needed_;
    std::vector<std::size_t> missing_inputs_;
    std::vector<std::vector<graph::StepId>> users_;
    std::deque<graph::StepId> ready_;
    std::size_t solving_ = 0;
    std::size_t idle_ = 0;
    bool over_ = false;
    std::optional<Error> failure_;
    bool again_ = false;  ///< a step made something else: another pass
    std::vector<std::jthread> threads_;
};

}  // namespace lazybuild::solve
