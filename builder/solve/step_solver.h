// SPDX-License-Identifier: Apache-2.0
// The steps of one plan: finds what each made before, or makes it. When, and on which thread, is
// plan_run.h's business.
//
// resolve() says what a step's file system is made of, from records where it can; open() has its
// layers, and runs the steps again whose layers are gone. A step that then makes something else
// than its record said makes everything above it wrong: take_changed() tells, and all is resolved
// anew, with what was made in this process still known.
//
// Threads: any; resolve() for one step at a time, after it has returned for the step's inputs.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/graph/plan.h"
#include "builder/solve/shared.h"
#include "builder/solve/step_request.h"
#include "builder/solve/why.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::solve {

/// Steps whose results a step needs: the one that it works on first.
std::vector<graph::StepId> inputs_of(const graph::Step& step);

/// "[build 2/5] RUN make" without its place, which moves when a line is added above: Record::text.
std::string text_alone(const std::string& text);

/// An input as lines of a key begin: "base", "source 0".
struct InputName {
    std::string name;
    graph::StepId step = 0;
};
std::vector<InputName> inputs_by_name(const graph::Step& what);

class StepSolver {
  public:
    /// Both outlive it. `stop` is cancelled when nobody wants the plan any more.
    StepSolver(Shared& shared, const graph::Plan& plan, io::CancelToken stop);

    Result<void> resolve(graph::StepId id);
    Result<layers::Snapshot> open(graph::StepId id);
    /// After all that was to be resolved has been, or one step has failed: shows how those ended
    /// of which it was not known until now.
    void show_found();
    /// What resolve() found.
    Solved solved(graph::StepId id) const;
    /// Of all that make layers, in the plan's order; not while any is resolved.
    /// Errors: those of Records.
    Result<std::vector<StepRecord>> records() const;
    std::vector<StepExplanation> explanations() const;

    /// Whether a step has made something else than it was resolved to; taken back by asking.
    bool take_changed() { return changed_.exchange(false); }

  private:
    struct State {
        // As resolve() leaves it.
        std::vector<codec::Digest> ids;
        std::vector<codec::Digest> keys;    ///< as Solved::record_keys
        std::optional<Made> made;           ///< its own layer, when it makes one
        codec::Digest key;                  ///< that it is made under
        std::vector<StepKey> step_keys;     ///< StepRecord::keys, as far as they were computed
        std::optional<codec::Digest> base;  ///< Record::base
        std::vector<std::string> names;     ///< Record::files, if they had to be looked at
        std::optional<TaskId> task;         ///< the step has been shown
        /// But not that it was found: its cache says that it has no layer, so that it has to run
        /// when somebody needs that.
        std::atomic<bool> held = false;
        RemoteSource remote;  ///< of a git or http step
        /// Of a dry run: a step that would run, whose result this one's file system depends on.
        std::optional<graph::StepId> missing;

        std::mutex opening;                         // guards what follows
        std::unique_ptr<layers::FileSource> files;  ///< of a step that is no file system
        std::optional<layers::Snapshot> snapshot;
    };

    /// Why a step runs, for those above it, too.
    struct Explained {
        std::optional<StepOutcome> outcome;
        std::string why;
        std::optional<graph::StepId> cause;  ///< the step below it that has changed; none: itself
        bool differs = false;                ///< it made something else of the same than before
    };

    const graph::Step& step(graph::StepId id) const { return plan_.steps[id]; }
    Error failure(graph::StepId id, Error error) const;

    Result<void> resolve_image(graph::StepId id, const graph::ImageStep& image);
    Result<void> resolve_remote(graph::StepId id);
    Result<void> resolve_layer(graph::StepId id);
    Result<void> resolve_dry(graph::StepId id);
    void settle(StepRequest& request, const Made& made);
    void show(StepRequest& request);
    void show_found(graph::StepId id);
    void show_as_found(State& state);
    void report(StepRequest& request, const std::string& why_not_cached);

    // Keys.
    Result<layers::FileSource*> source_files(graph::StepId id, StepRequest& request);
    void drop_kept_bytes(const StepRequest& request);
    Result<codec::Digest> select(StepRequest& request, const graph::CopyStep& copy);
    void add_base(KeyText& text, StepRequest& request) const;
    Result<void> add_selections(KeyText& text, StepRequest& request, bool contexts_only);
    Result<void> prepare_by_name(StepRequest& request);
    Result<void> prepare_by_content(StepRequest& request);
    Result<std::optional<Made>> look_up(StepRequest& request);
    Result<void> record(StepRequest& request, const Made& made);

    // What is known of steps; step_solver_records.cc.
    std::vector<std::string> input_names(const graph::Step& what) const;
    Result<void> complete(StepRecord& record) const;
    std::string explain(const StepRequest& request);
    Why why_not_cached(const StepRequest& request, const std::vector<InputName>& inputs) const;
    std::string why_again(const State& state) const;
    bool is_here(const codec::Digest& layer) const;
    void explain_needed(graph::StepId id);
    std::string blamed(graph::StepId input) const;
    graph::StepId changed_below(graph::StepId input) const;  ///< requires explaining_
    void compare_with_last(const StepRequest& request, const Made& made);
    void set_found(graph::StepId id);
    void set_outcome(graph::StepId id, StepOutcome outcome, std::string why);

    // Running; step_solver_run.cc.
    Result<Made> make(StepRequest& request);
    Result<layers::LayerPointer> make_layer(StepRequest& request);
    Result<layers::LayerPointer> make_empty_layer();
    Result<layers::LayerPointer> run_once(StepRequest& request);
    Result<layers::LayerPointer> run_copy(StepRequest& request, const graph::CopyStep& copy);
    Result<layers::LayerPointer> run_directory(StepRequest& request,
                                               const graph::DirectoryStep& directory);
    Result<layers::LayerPointer> run_command(StepRequest& request, const graph::RunStep& run);
    Result<layers::Snapshot> open_for(StepRequest& request, graph::StepId id);
    /// Everything below a step.
    void add_inputs(const graph::Step& what, std::set<graph::StepId>& found) const;
    bool lose_unreadable(StepRequest& request, bool& retry);
    Result<layers::Snapshot> open_locked(graph::StepId id, State& state);
    Result<std::optional<Made>> find_other(const codec::Digest& key, const Made& gone);
    Result<std::optional<Made>> look_up_other(StepRequest& request, const Made& gone);
    Result<layers::LayerPointer> make_again(graph::StepId id, State& state);

    Shared& shared_;
    const graph::Plan& plan_;
    io::CancelToken stop_;
    std::vector<std::unique_ptr<State>> states_;
    std::atomic<bool> changed_ = false;
    mutable std::mutex explaining_;  // guards what follows
    std::vector<Explained> explained_;
};

}  // namespace lazybuild::solve
