// SPDX-License-Identifier: Apache-2.0
// Two keys for one step. What it works on always goes in by name (the chain of layer ids, which is
// a name for content). What it copies or binds from another stage or image goes in by name first:
// if the same stage was copied from before, there is nothing to look at. If not, the selected files
// are looked at, and the key over their content may be known although the stages differ. Contexts
// have no name, so their content is looked at either way.
#include "builder/solve/step_solver.h"

#include <fmt/format.h>

#include <set>
#include <utility>
#include <variant>

#include "builder/solve/locked_source.h"

namespace lazybuild::solve {
namespace {

bool is_context(const graph::Step& step) {
    return std::holds_alternative<graph::ContextStep>(step.what);
}

bool is_remote(const graph::Step& step) {
    return std::holds_alternative<graph::GitStep>(step.what) ||
           std::holds_alternative<graph::HttpStep>(step.what);
}

}  // namespace

std::string text_alone(const std::string& text) {
    const std::size_t end = text.starts_with('[') ? text.find("] ") : std::string::npos;
    return end == std::string::npos ? text : text.substr(end + 2);
}

std::vector<graph::StepId> inputs_of(const graph::Step& step) {
    std::vector<graph::StepId> inputs;
    if (const auto* copy = std::get_if<graph::CopyStep>(&step.what)) {
        inputs.push_back(copy->onto);
    } else if (const auto* directory = std::get_if<graph::DirectoryStep>(&step.what)) {
        inputs.push_back(directory->base);
    } else if (const auto* run = std::get_if<graph::RunStep>(&step.what)) {
        inputs.push_back(run->base);
    }
    for (const graph::StepId source : sources_of(step)) {
        inputs.push_back(source);
    }
    return inputs;
}

StepSolver::StepSolver(Shared& shared, const graph::Plan& plan, io::CancelToken stop)
    : shared_(shared), plan_(plan), stop_(std::move(stop)) {
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        states_.push_back(std::make_unique<State>());
    }
    explained_.resize(plan.steps.size());
}

Solved StepSolver::solved(graph::StepId id) const {
    return Solved{.layer_ids = states_[id]->ids, .record_keys = states_[id]->keys};
}

Error StepSolver::failure(graph::StepId id, Error error) const {
    if (outcome_of(error) == Outcome::cancelled) {
        return error;
    }
    const graph::Step& what = step(id);
    error = std::move(error).context(what.text);
    if (what.lines.first != 0 && shared_.operations.excerpt) {
        error.message += '\n' + shared_.operations.excerpt(what.lines);
        while (error.message.ends_with('\n')) {
            error.message.pop_back();
        }
    }
    return error;
}

Result<void> StepSolver::resolve(graph::StepId id) {
    if (stop_.cancelled()) {
        return fail(cancelled_error());
    }
    const graph::Step& what = step(id);
    if (const auto* image = std::get_if<graph::ImageStep>(&what.what)) {
        return resolve_image(id, *image);
    }
    if (is_remote(what)) {
        return resolve_remote(id);
    }
    if (is_context(what) || std::holds_alternative<graph::ScratchStep>(what.what)) {
        return {};
    }
    return shared_.options.dry_run ? resolve_dry(id) : resolve_layer(id);
}

Result<void> StepSolver::resolve_image(graph::StepId id, const graph::ImageStep& image) {
    State& state = *states_[id];
    if (state.task) {
        return {};  // an image does not change
    }
    state.task = shared_.progress.begin(step(id).text);
    auto ids = shared_.sources.image_layers(image, step(id).platform);
    shared_.progress.end(*state.task, ids ? Outcome::done : Outcome::failed,
                         ids ? "" : ids.error().message);
    if (!ids) {
        return fail(failure(id, std::move(ids).error()));
    }
    state.ids = *std::move(ids);
    state.keys.assign(state.ids.size(), codec::Digest{});
    return {};
}

Result<void> StepSolver::resolve_remote(graph::StepId id) {
    State& state = *states_[id];
    if (state.task) {
        return {};
    }
    state.task = shared_.progress.begin(step(id).text);
    const auto* git = std::get_if<graph::GitStep>(&step(id).what);
    auto remote = git != nullptr ? shared_.sources.git(*git)
                                 : shared_.sources.http(std::get<graph::HttpStep>(step(id).what));
    shared_.progress.end(*state.task, remote ? Outcome::done : Outcome::failed,
                         remote ? "" : remote.error().message);
    if (!remote) {
        return fail(failure(id, std::move(remote).error()));
    }
    state.remote = *std::move(remote);
    return {};
}

// The step's file system is its base's, and its own layer.
void StepSolver::settle(StepRequest& request, const Made& made) {
    State& state = *states_[request.id];
    const State& base = *states_[inputs_of(request.step).front()];
    const codec::Digest key = request.key();
    state.made = made;
    state.step_keys = request.proven_keys();
    state.base = request.base;
    state.names = std::move(request.names);
    state.ids = base.ids;
    state.keys = base.keys;
    state.key = key;
    state.ids.push_back(made.layer);
    state.keys.push_back(key);
    const std::lock_guard lock(state.opening);
    state.snapshot.reset();
}

// A step that was shown already, before everything was resolved anew, is shown again only if it
// has to run.
void StepSolver::show(StepRequest& request) {
    request.task = shared_.progress.begin(request.step.text);
    request.running = shared_.watch(request.task);
    states_[request.id]->task = request.task;
}

// Nothing that it is made of will be needed for it.
void StepSolver::show_found(graph::StepId id) {
    std::set<graph::StepId> found = {id};
    for (std::vector<graph::StepId> open = {id}; !open.empty();) {
        const graph::StepId next = open.back();
        open.pop_back();
        for (const graph::StepId input : inputs_of(step(next))) {
            if (states_[input]->held && found.insert(input).second) {
                open.push_back(input);
            }
        }
    }
    for (const graph::StepId each : found) {
        show_as_found(*states_[each]);
    }
}

void StepSolver::show_as_found(State& state) {
    if (state.held.exchange(false)) {
        shared_.progress.end(*state.task, Outcome::cached);
    }
}

void StepSolver::show_found() {
    for (const auto& state : states_) {
        show_as_found(*state);
    }
}

void StepSolver::report(StepRequest& request, const std::string& why_not_cached) {
    StepReport report{.stage = request.step.stage,
                      .key = request.by_name ? request.key().text() : "",
                      .why_not_cached = why_not_cached,
                      .cache = request.ran ? "" : states_[request.id]->made->cache};
    for (const graph::StepId input : inputs_of(request.step)) {
        if (states_[input]->task) {
            report.inputs.push_back(*states_[input]->task);
        }
    }
    report.fetched_from = shared_.fetched(*request.running);
    for (const auto& [layer, bytes] : report.fetched_from) {
        report.fetched_bytes += bytes;
    }
    shared_.progress.report(request.task, report);
}

Result<void> StepSolver::resolve_layer(graph::StepId id) {
    StepRequest request(id, step(id));
    State& state = *states_[id];
    const bool again = state.task.has_value();
    if (!again) {
        show(request);
    } else {
        request.task = *state.task;
        request.running = shared_.watch(request.task);
    }
    auto made = look_up(request);
    if (made && *made) {
        settle(request, **made);
        set_found(id);
        drop_kept_bytes(request);
        if (!again) {
            report(request, "");
            state.held = true;
        }
        if (!state.made->without_layer) {
            show_found(id);
        }
        return {};
    }
    if (again && !state.held.exchange(false)) {
        show(request);
    }
    const auto make_it = [&] { return make(request); };
    const auto result = made ? shared_.flights.run(request.key(), make_it)
                             : Result<Made>(fail(std::move(made).error()));
    if (!result) {
        const Error& error = result.error();
        shared_.progress.end(request.task,
                             stop_.cancelled() ? Outcome::cancelled : outcome_of(error),
                             error.message);
        return fail(failure(id, error));
    }
    if (!request.ran) {  // another step with the same key did
        CHECK_OK(record(request, *result));
        set_outcome(id, StepOutcome::ran, "another step that is the same had to");
    }
    settle(request, *result);
    if (!request.ran) {
        report(request, "");
    }
    shared_.progress.end(request.task, request.ran ? Outcome::done : Outcome::cached);
    return {};
}

// As resolve_layer(), but for what would run: what that would make is not known, nor whether what
// depends on it is.
Result<void> StepSolver::resolve_dry(graph::StepId id) {
    StepRequest request(id, step(id));
    request.running = std::make_shared<Running>();
    State& state = *states_[id];
    const auto* copy = std::get_if<graph::CopyStep>(&request.step.what);
    const bool base_counts = copy == nullptr || copy->base || owner_is_named(*copy);
    state.missing.reset();
    for (const InputName& input : inputs_by_name(request.step)) {
        if (!state.missing && (base_counts || input.name != "base")) {
            state.missing = states_[input.step]->missing;
        }
    }
    if (state.missing) {
        set_outcome(id, StepOutcome::unknown,
                    "it depends on what this makes: " + text_alone(step(*state.missing).text));
        return {};
    }
    auto made = look_up(request);
    if (!made) {
        return fail(failure(id, std::move(made).error()));
    }
    if (*made) {
        state.missing = states_[inputs_of(request.step).front()]->missing;
        settle(request, **made);
        set_found(id);
        drop_kept_bytes(request);
        return {};
    }
    state.missing = id;
    const bool known = request.unreadable.empty();
    if (known) {
        set_outcome(id, StepOutcome::missed, explain(request));
    } else {
        set_outcome(id, StepOutcome::unknown,
                    "what it reads could not be looked at: " + request.unreadable);
    }
    for (const InputName& input : inputs_by_name(request.step)) {
        if (input.name != "base" || (known && base_counts)) {
            explain_needed(input.step);
        }
    }
    return {};
}

Result<layers::FileSource*> StepSolver::source_files(graph::StepId id, StepRequest& request) {
    State& state = *states_[id];
    const auto* context = std::get_if<graph::ContextStep>(&step(id).what);
    if (context != nullptr || is_remote(step(id))) {
        const std::lock_guard lock(state.opening);
        if (state.files == nullptr) {
            layers::FileSource* files = state.remote.files;
            if (context != nullptr) {
                TRY(files, shared_.sources.context(*context));
            }
            state.files = std::make_unique<LockedSource>(*files);
        }
        return state.files.get();
    }
    if (const auto found = request.views.find(id); found != request.views.end()) {
        return found->second.get();
    }
    TRY(const layers::Snapshot snapshot, open_for(request, id));
    return request.views.emplace(id, shared_.store.view(snapshot)).first->second.get();
}

// What was hashed for the key of a step that was found, nobody copies. Should another step be about
// to copy the same, it reads it again.
void StepSolver::drop_kept_bytes(const StepRequest& request) {
    for (const graph::StepId id : sources_of(request.step)) {
        State& state = *states_[id];
        const std::lock_guard lock(state.opening);
        if (state.files != nullptr) {
            state.files->drop_kept_bytes();
        }
    }
}

Result<codec::Digest> StepSolver::select(StepRequest& request, const graph::CopyStep& copy) {
    files::Sources sources;
    for (const graph::CopySource& source : copy.sources) {
        TRY(sources[source.from], source_files(source.from, request));
    }
    TRY(request.selection, shared_.operations.select(copy, sources));
    return request.selection.digest;
}

void StepSolver::add_base(KeyText& text, StepRequest& request) const {
    const auto* copy = std::get_if<graph::CopyStep>(&request.step.what);
    if (copy == nullptr || copy->base || owner_is_named(*copy)) {
        request.base = chain_id(states_[inputs_of(request.step).front()]->ids);
        text.add("base", request.base->text());
    }
}

Result<void> StepSolver::add_selections(KeyText& text, StepRequest& request, bool contexts_only) {
    request.names.clear();
    const auto wanted = [&](graph::StepId id) { return !contexts_only || is_context(step(id)); };
    for (const graph::CopyStep& part : selections_of(request.step, wanted)) {
        TRY(const codec::Digest digest, select(request, part));
        request.claimed |= request.selection.claimed;
        text.add("files", digest.text());
        request.add_names();
    }
    return {};
}

Result<void> StepSolver::prepare_by_name(StepRequest& request) {
    KeyText text(shared_.operations.definition(request.step));
    add_base(text, request);
    std::size_t number = 0;
    for (const graph::StepId from : sources_of(request.step)) {
        if (is_context(step(from))) {
            request.reads_contexts = true;
        } else {
            const State& state = *states_[from];
            text.add(fmt::format("source {}", number),
                     is_remote(step(from)) ? state.remote.identity : chain_id(state.ids).text());
            request.reads_named = true;
        }
        ++number;
    }
    if (request.reads_contexts) {
        CHECK_OK(add_selections(text, request, true));
        request.selection_is_whole = !request.reads_named;
    }
    request.by_name = std::move(text);
    return {};
}

Result<void> StepSolver::prepare_by_content(StepRequest& request) {
    KeyText text(shared_.operations.definition(request.step));
    add_base(text, request);
    CHECK_OK(add_selections(text, request, false));
    request.selection_is_whole = true;
    request.by_content = std::move(text);
    return {};
}

Result<std::optional<Made>> StepSolver::look_up(StepRequest& request) {
    const bool memory_only = request.step.ignore_cache;
    CHECK_OK(prepare_by_name(request));
    TRY(std::optional<Made> made, shared_.find(request.by_name->key(), memory_only));
    if (made || !request.reads_named) {
        return made;
    }
    if (const auto prepared = prepare_by_content(request); !prepared) {
        // Layers that cannot be read are made again when the step runs.
        if (prepared.error().code != std::errc::io_error) {
            return fail(prepared.error());
        }
        request.selection_is_whole = false;
        request.unreadable = prepared.error().message;
        return std::nullopt;
    }
    TRY(made, shared_.find(request.by_content->key(), memory_only));
    request.found_by_content = made.has_value();
    if (made && !request.claimed && made->resolution != Resolution::imported &&
        !shared_.options.dry_run) {
        CHECK_OK(record(request, *made));  // by name: the next time there is nothing to look at
    }
    return made;
}

Result<void> StepSolver::record(StepRequest& request, const Made& made) {
    Record record{.layer = made.layer,
                  .base = request.base,
                  .text = text_alone(request.step.text),
                  .files = request.names,
                  .input_names = input_names(request.step)};
    for (const graph::StepId input : inputs_of(request.step)) {
        if (states_[input]->key != codec::Digest{}) {
            record.inputs.push_back(states_[input]->key);
        }
    }
    // Both at once only when the step has looked at files to no avail.
    const KeyText& by_name = *request.by_name;
    for (const KeyText* text : {&by_name, &request.key_text()}) {
        const codec::Digest key = text->key();
        if (key == record.key) {
            continue;
        }
        record.key = key;
        record.content_key.reset();
        if (const codec::Digest most = request.key(); text == &by_name && most != key) {
            record.content_key = most;
        }
        record.definition = text->text();
        CHECK_OK(shared_.records.add(record));
        shared_.flights.put(key, made);
    }
    return {};
}

}  // namespace lazybuild::solve
