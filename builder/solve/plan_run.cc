// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/plan_run.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace lazybuild::solve {
namespace {

using std::chrono_literals::operator""ms;

/// How often what has been fetched is shown, and the user's wish to stop is asked for.
constexpr auto kTick = 100ms;

}  // namespace

PlanRun::PlanRun(Shared& shared, const graph::Plan& plan)
    : shared_(shared),
      plan_(plan),
      steps_(shared, plan, stop_.token()),
      threads_max_(shared.options.jobs == 0 ? kSolveJobsMax
                                            : std::min(shared.options.jobs, kSolveJobsMax)) {}

Result<std::vector<Solved>> PlanRun::solve(const std::vector<graph::StepId>& results,
                                           const io::CancelToken& cancel) {
    const std::lock_guard lock(calls_);
    results_ = results;
    cancel_ = cancel;
    CHECK_OK(solve_all(cancel));
    std::vector<Solved> solved;
    for (const graph::StepId result : results) {
        solved.push_back(steps_.solved(result));
    }
    return solved;
}

Result<layers::Snapshot> PlanRun::open(graph::StepId step) {
    const std::lock_guard lock(calls_);
    const std::vector<codec::Digest> promised = steps_.solved(step).layer_ids;
    auto snapshot = steps_.open(step);
    // Each pass runs at least one step whose layer was gone, and none twice.
    for (std::size_t i = 0; !snapshot && steps_.take_changed() && i < plan_.steps.size(); ++i) {
        CHECK_OK(solve_all(cancel_));
        snapshot = steps_.open(step);
    }
    if (snapshot && steps_.solved(step).layer_ids != promised) {
        return fail(Error{.code = std::errc::resource_unavailable_try_again,
                          .message = "layers that were gone were made again, and differ"});
    }
    return snapshot;
}

Result<std::vector<StepRecord>> PlanRun::records() {
    const std::lock_guard lock(calls_);
    return steps_.records();
}

std::vector<StepExplanation> PlanRun::explanations() {
    const std::lock_guard lock(calls_);
    return steps_.explanations();
}

Result<void> PlanRun::solve_all(const io::CancelToken& cancel) {
    Result<void> solved = passes(cancel);
    steps_.show_found();
    return solved;
}

Result<void> PlanRun::passes(const io::CancelToken& cancel) {
    for (std::size_t passes = 0; passes <= plan_.steps.size(); ++passes) {
        CHECK_OK(pass(cancel));
        if (!again_) {
            return {};
        }
    }
    return fail(Error{.code = std::errc::resource_unavailable_try_again,
                      .message = "layers vanish as fast as they are made; is something else "
                                 "deleting them?"});
}

void PlanRun::find_needed() {
    const std::size_t count = plan_.steps.size();
    needed_.assign(count, false);
    missing_inputs_.assign(count, 0);
    users_.assign(count, {});
    std::vector<graph::StepId> open = results_;
    while (!open.empty()) {
        const graph::StepId id = open.back();
        open.pop_back();
        if (needed_[id]) {
            continue;
        }
        needed_[id] = true;
        std::vector<graph::StepId> inputs = inputs_of(plan_.steps[id]);
        std::ranges::sort(inputs);
        const auto twice = std::ranges::unique(inputs);
        inputs.erase(twice.begin(), twice.end());
        missing_inputs_[id] = inputs.size();
        for (const graph::StepId input : inputs) {
            users_[input].push_back(id);
            open.push_back(input);
        }
    }
}

Result<void> PlanRun::pass(const io::CancelToken& cancel) {
    std::unique_lock lock(mutex_);
    find_needed();
    failure_.reset();
    again_ = over_ = false;
    for (graph::StepId id = 0; id < plan_.steps.size(); ++id) {
        if (needed_[id] && missing_inputs_[id] == 0) {
            start(id);
        }
    }
    over_ = ready_.empty();
    while (!over_ || solving_ != 0) {
        changed_.wait_for(lock, kTick);
        if (cancel.cancelled()) {
            stop_.cancel();
        }
        lock.unlock();
        shared_.show_fetching();
        lock.lock();
    }
    std::vector<std::jthread> threads = std::move(threads_);
    threads_.clear();
    lock.unlock();
    changed_.notify_all();
    threads.clear();  // joins
    if (failure_) {
        return fail(*std::move(failure_));
    }
    return {};
}

void PlanRun::start(graph::StepId step) {
    ready_.push_back(step);
    if (idle_ < ready_.size() && threads_.size() < threads_max_) {
        ++idle_;
        threads_.emplace_back([this] { work(); });
    }
    changed_.notify_all();
}

void PlanRun::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return over_ || !ready_.empty(); });
        if (over_) {
            --idle_;
            return;
        }
        const graph::StepId step = ready_.front();
        ready_.pop_front();
        --idle_;
        ++solving_;
        lock.unlock();
        Result<void> result = steps_.resolve(step);
        lock.lock();
        --solving_;
        ++idle_;
        finish(step, std::move(result));
    }
}

void PlanRun::finish(graph::StepId step, Result<void> result) {
    if (!result) {
        const bool changed = steps_.take_changed();
        if (changed || result.error().code == std::errc::resource_unavailable_try_again) {
            again_ = true;
        } else if (!again_ && !failure_) {
            failure_ = std::move(result).error();
            stop_.cancel();
            if (shared_.operations.give_up) {
                shared_.operations.give_up();
            }
        }
        over_ = true;
        ready_.clear();
    } else if (!over_) {
        for (const graph::StepId user : users_[step]) {
            if (--missing_inputs_[user] == 0) {
                start(user);
            }
        }
        over_ = ready_.empty() && solving_ == 0;
    }
    if (over_) {
        changed_.notify_all();
    }
}

}  // namespace lazybuild::solve
