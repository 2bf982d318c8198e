// SPDX-License-Identifier: Apache-2.0
// The half of StepSolver that makes layers, and gets at those that were made.
#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "builder/solve/step_solver.h"

namespace lazybuild::solve {
namespace {

constexpr int kAttemptsMax = 3;

Error unreadable() {
    return Error{.code = std::errc::io_error,
                 .message =
                     "some of the files that it was given could not be fetched; what it "
                     "made of them is dropped"};
}

}  // namespace

Result<Made> StepSolver::make(StepRequest& request) {
    request.ran = true;
    const std::string why = explain(request);
    set_outcome(request.id, StepOutcome::ran, why);
    auto layer = make_layer(request);
    report(request, why);
    if (!layer) {
        return fail(std::move(layer).error());
    }
    const Made made{.layer = (*layer)->id(), .resolution = Resolution::ran, .cache = {}};
    shared_.keep(made.layer);
    compare_with_last(request, made);
    CHECK_OK(record(request, made));
    return made;
}

// A read that its mounts, or the layers that it copies from, could not answer makes a result
// worthless, whatever the step says about it.
Result<layers::LayerPointer> StepSolver::make_layer(StepRequest& request) {
    for (int attempts = 1;; ++attempts) {
        auto layer = run_once(request);
        if (layer && *layer == nullptr) {
            layer = make_empty_layer();
        }
        bool retry = false;
        if (!lose_unreadable(request, retry)) {
            return layer;
        }
        if (!retry || attempts == kAttemptsMax || stop_.cancelled()) {
            return layer ? fail(unreadable()) : std::move(layer);
        }
        request.views.clear();
        request.selection_is_whole = false;
    }
}

// Each instruction with a layer in the history has one, as BuildKit's have: whoever counts them
// need not know which of them changed something.
Result<layers::LayerPointer> StepSolver::make_empty_layer() {
    TRY(const auto maker, shared_.store.make_layer());
    return maker->finish();
}

Result<layers::LayerPointer> StepSolver::run_once(StepRequest& request) {
    if (stop_.cancelled()) {
        return fail(cancelled_error());
    }
    if (const auto* copy = std::get_if<graph::CopyStep>(&request.step.what)) {
        return run_copy(request, *copy);
    }
    if (const auto* directory = std::get_if<graph::DirectoryStep>(&request.step.what)) {
        return run_directory(request, *directory);
    }
    return run_command(request, std::get<graph::RunStep>(request.step.what));
}

Result<layers::LayerPointer> StepSolver::run_copy(StepRequest& request,
                                                  const graph::CopyStep& copy) {
    if (!request.selection_is_whole) {
        TRY([[maybe_unused]] const codec::Digest digest, select(request, copy));
        request.selection_is_whole = true;
    }
    std::unique_ptr<layers::FileSource> onto;
    if (copy.base || owner_is_named(copy)) {
        TRY(const layers::Snapshot below, open_for(request, copy.onto));
        onto = shared_.store.view(below);
    }
    TRY(auto maker, shared_.store.make_layer());
    maker = stoppable(std::move(maker), stop_);
    return shared_.operations.copy(copy, request.selection, onto.get(), *maker);
}

Result<layers::LayerPointer> StepSolver::run_directory(StepRequest& request,
                                                       const graph::DirectoryStep& directory) {
    TRY(const layers::Snapshot below, open_for(request, directory.base));
    const auto base = shared_.store.view(below);
    TRY(auto maker, shared_.store.make_layer());
    return shared_.operations.make_directory(directory, *base, *maker);
}

Result<layers::LayerPointer> StepSolver::run_command(StepRequest& request,
                                                     const graph::RunStep& run) {
    TRY(layers::Snapshot base, open_for(request, run.base));
    std::vector<MountFiles> mounts;
    for (const graph::RunMount& mount : run.mounts) {
        MountFiles& files = mounts.emplace_back();
        if (!mount.from) {
            continue;
        }
        const auto& from = step(*mount.from).what;
        if (std::holds_alternative<graph::ContextStep>(from) ||
            std::holds_alternative<graph::GitStep>(from) ||
            std::holds_alternative<graph::HttpStep>(from)) {
            TRY(files.files, source_files(*mount.from, request));
        } else {
            TRY(files.snapshot, open_for(request, *mount.from));
        }
    }
    const TaskId task = request.task;
    RunRequest command{
        .step = run,
        .platform = request.step.platform,
        .base = std::move(base),
        .mounts = std::move(mounts),
        .output = [this, task](
                      int stream,
                      std::string_view bytes) { shared_.progress.output(task, stream, bytes); },
        .cancel = stop_,
    };
    TRY(RunResult result, shared_.runner.run(command));
    return std::move(result.layer);
}

Result<layers::Snapshot> StepSolver::open_for(StepRequest& request, graph::StepId id) {
    TRY(layers::Snapshot snapshot, open(id));
    shared_.watch(*request.running, snapshot);
    return snapshot;
}

// `retry`: some of them were made by steps, which can run again. Whoever has them open lets go.
bool StepSolver::lose_unreadable(StepRequest& request, bool& retry) {
    const std::vector<codec::Digest> unreadable_layers = shared_.take_failed(*request.running);
    if (unreadable_layers.empty()) {
        return false;
    }
    std::set<graph::StepId> below;
    add_inputs(request.step, below);
    for (const graph::StepId id : below) {
        const std::optional<Made>& made = states_[id]->made;
        if (made && std::ranges::find(unreadable_layers, made->layer) != unreadable_layers.end()) {
            retry = true;
            shared_.lose(made->layer);
        }
    }
    return true;
}

void StepSolver::add_inputs(const graph::Step& what, std::set<graph::StepId>& found) const {
    for (const graph::StepId input : inputs_of(what)) {
        if (found.insert(input).second) {
            add_inputs(step(input), found);
        }
    }
}

Result<layers::Snapshot> StepSolver::open(graph::StepId id) {
    State& state = *states_[id];
    const std::lock_guard lock(state.opening);
    if (state.snapshot && std::ranges::none_of(state.ids, [&](const codec::Digest& layer) {
            return shared_.lost(layer);
        })) {
        return *state.snapshot;
    }
    TRY(state.snapshot, open_locked(id, state));
    return *state.snapshot;
}

// Locks are taken from a step down to its inputs, never the other way.
Result<layers::Snapshot> StepSolver::open_locked(graph::StepId id, State& state) {
    const graph::Step& what = step(id);
    if (std::holds_alternative<graph::ScratchStep>(what.what)) {
        return layers::Snapshot{};
    }
    if (const auto* image = std::get_if<graph::ImageStep>(&what.what)) {
        auto snapshot = shared_.sources.image(*image, what.platform);
        if (!snapshot) {
            return fail(failure(id, std::move(snapshot).error()));
        }
        const bool same =
            std::ranges::equal(snapshot->layers, state.ids,
                               [](const layers::LayerPointer& layer, const codec::Digest& known) {
                                   return layer->id() == known;
                               });
        if (!same) {
            return fail(corrupt(image->name + ": its layers are not those of its manifest"));
        }
        return snapshot;
    }
    TRY(layers::Snapshot snapshot, open(inputs_of(what).front()));
    layers::LayerPointer layer;
    if (!shared_.lost(state.made->layer)) {
        TRY(layer, shared_.store.find(state.made->layer));
    }
    if (layer == nullptr) {
        if (shared_.options.dry_run) {
            return fail(Error{.code = std::errc::io_error,
                              .message = "the layer of " + text_alone(what.text) + " is not here"});
        }
        TRY(layer, make_again(id, state));
    }
    show_as_found(state);
    snapshot.layers.push_back(std::move(layer));
    return snapshot;
}

Result<std::optional<Made>> StepSolver::find_other(const codec::Digest& key, const Made& gone) {
    TRY(std::optional<Made> other, shared_.find(key, false));
    if (!other || other->layer == gone.layer || shared_.lost(other->layer)) {
        return std::nullopt;
    }
    TRY(const layers::LayerPointer layer, shared_.store.find(other->layer));
    return layer == nullptr ? std::nullopt : other;
}

// What its names have led to is gone. By content it may be known to have made another layer, which
// is here: if a record says which key that is, nothing below it has to be there, either.
Result<std::optional<Made>> StepSolver::look_up_other(StepRequest& request, const Made& gone) {
    if (!request.reads_named || request.step.ignore_cache) {
        return std::nullopt;
    }
    const codec::Digest by_name = request.by_name->key();
    TRY(const std::optional<Record> local, shared_.records.find(by_name));
    std::optional<codec::Digest> said = local ? local->content_key : std::nullopt;
    if (!said && gone.resolution == Resolution::imported) {
        const auto imported = shared_.options.imported->find(by_name);
        said = imported ? imported->record.content_key : std::nullopt;
    }
    if (said) {
        TRY(std::optional<Made> other, find_other(*said, gone));
        if (other) {
            other->resolution = gone.resolution;  // who names the cache believes what it says
            other->cache = gone.cache;
            return other;
        }
    }
    CHECK_OK(prepare_by_content(request));
    if (said == request.by_content->key() || request.claimed) {
        return std::nullopt;
    }
    TRY(std::optional<Made> other, find_other(request.by_content->key(), gone));
    if (other && other->resolution != Resolution::imported) {
        CHECK_OK(record(request, *other));
    }
    return other;
}

Result<layers::LayerPointer> StepSolver::make_again(graph::StepId id, State& state) {
    StepRequest request(id, step(id));
    // Nobody has been told yet that it was found, or it is said that this was too early.
    request.task = state.held.exchange(false)
                       ? *state.task
                       : shared_.progress.begin(request.step.text + " (again: its layer is gone)");
    request.running = shared_.watch(request.task);
    request.why = why_again(state);
    const auto make_it = [&]() -> Result<Made> {
        CHECK_OK(prepare_by_name(request));
        TRY(const std::optional<Made> other, look_up_other(request, *state.made));
        if (other) {
            return *other;
        }
        if (request.reads_named && !request.by_content) {
            CHECK_OK(prepare_by_content(request));
        }
        return make(request);
    };
    shared_.flights.forget(state.key);
    auto made = shared_.flights.run(state.key, make_it);
    if (!made) {
        shared_.progress.end(request.task,
                             stop_.cancelled() ? Outcome::cancelled : outcome_of(made.error()),
                             made.error().message);
        return fail(failure(id, std::move(made).error()));
    }
    shared_.progress.end(request.task, request.ran ? Outcome::done : Outcome::cached);
    if (made->layer != state.made->layer) {
        changed_ = true;
        return fail(Error{.code = std::errc::resource_unavailable_try_again,
                          .message = request.step.text + " made something else than before"});
    }
    state.made->resolution = Resolution::ran;
    TRY(layers::LayerPointer layer, shared_.store.find(state.made->layer));
    if (layer == nullptr) {
        return fail(failure(id, Error{.code = std::errc::io_error,
                                      .message = "the layer that it made is not in the store"}));
    }
    return layer;
}

}  // namespace lazybuild::solve
