// SPDX-License-Identifier: Apache-2.0
// The part of StepSolver that tells others about steps: exporters of caches what they made, and
// people why they had to.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>
#include <variant>

#include "builder/solve/step_solver.h"

namespace lazybuild::solve {
namespace {

constexpr std::size_t kSimilarMax = 16;

// Records go into caches that others read: neither "user:password@" nor a query, which may be
// signed.
std::string without_credentials(std::string url) {
    url.resize(std::min(url.find('?'), url.size()));
    const std::size_t scheme = url.find("://");
    if (scheme == std::string::npos) {
        return url;
    }
    const std::size_t host = scheme + 3;
    const std::size_t at = url.rfind('@', url.find('/', host));
    return at == std::string::npos || at < host ? url : url.erase(host, at + 1 - host);
}

// What kind of input it is, and which.
std::string name_of(const graph::Step& input) {
    if (const auto* image = std::get_if<graph::ImageStep>(&input.what)) {
        return fmt::format("image {} {}", image->name, image->manifest.text());
    }
    if (const auto* context = std::get_if<graph::ContextStep>(&input.what)) {
        return "context " + context->name;
    }
    if (const auto* git = std::get_if<graph::GitStep>(&input.what)) {
        return fmt::format("git {}#{}", without_credentials(git->remote), git->reference);
    }
    if (const auto* http = std::get_if<graph::HttpStep>(&input.what)) {
        return "http " + without_credentials(http->url);
    }
    if (std::holds_alternative<graph::ScratchStep>(input.what)) {
        return "scratch";
    }
    return "step " + text_alone(input.text);
}

void add_local(Result<std::vector<Record>>& known, std::vector<ImportedRecord>& candidates) {
    if (known) {
        for (Record& record : *known) {
            candidates.push_back({.record = std::move(record), .cache = {}, .no_layer = {}});
        }
    }
}

bool works_on_one(const graph::Step& what) {
    return std::holds_alternative<graph::CopyStep>(what.what) ||
           std::holds_alternative<graph::DirectoryStep>(what.what) ||
           std::holds_alternative<graph::RunStep>(what.what);
}

}  // namespace

std::vector<InputName> inputs_by_name(const graph::Step& what) {
    std::vector<InputName> inputs;
    if (works_on_one(what)) {
        inputs.push_back({"base", inputs_of(what).front()});
    }
    std::size_t number = 0;
    for (const graph::StepId source : sources_of(what)) {
        inputs.push_back({fmt::format("source {}", number), source});
        ++number;
    }
    return inputs;
}

std::vector<std::string> StepSolver::input_names(const graph::Step& what) const {
    std::vector<std::string> names;
    for (const InputName& input : inputs_by_name(what)) {
        names.push_back(input.name + ' ' + name_of(step(input.step)));
    }
    return names;
}

// A step that was found by its names has not been looked at further. Whoever recorded it has.
Result<void> StepSolver::complete(StepRecord& record) const {
    const codec::Digest by_name = record.keys.front().key;
    if (record.resolution == Resolution::imported) {
        const auto known = shared_.options.imported->find(by_name);
        if (known && known->record.content_key && record.keys.size() == 1) {
            record.keys.push_back({*known->record.content_key, {}});
        }
        return {};
    }
    TRY(const std::optional<Record> known, shared_.records.find(by_name));
    if (!known) {
        return {};
    }
    if (known->content_key && record.keys.size() == 1) {
        TRY(const std::optional<Record> twin, shared_.records.find(*known->content_key));
        record.keys.push_back({*known->content_key, twin ? twin->definition : ""});
    }
    if (record.files.empty()) {
        TRY(auto alike, shared_.records.similar(record.text, kSimilarMax));
        const auto same = std::ranges::find(alike, by_name, &Record::key);
        if (same != alike.end()) {
            record.files = std::move(same->files);
        }
    }
    return {};
}

Result<std::vector<StepRecord>> StepSolver::records() const {
    std::vector<StepRecord> records;
    std::vector<std::vector<codec::Digest>> keys(states_.size());
    for (graph::StepId id = 0; id < states_.size(); ++id) {
        const State& state = *states_[id];
        const graph::Step& what = step(id);
        if (!state.made || state.missing) {
            continue;
        }
        StepRecord record{.step = id,
                          .keys = state.step_keys,
                          .base = state.base,
                          .layer = state.made->layer,
                          .layer_ids = state.ids,
                          .inputs = {},
                          .resolution = state.made->resolution,
                          .cache = state.made->cache,
                          .text = text_alone(what.text),
                          .stage = what.stage,
                          .lines = what.lines,
                          .files = state.names,
                          .input_names = input_names(what)};
        CHECK_OK(complete(record));
        for (const StepKey& key : record.keys) {
            keys[id].push_back(key.key);
        }
        for (const graph::StepId input : inputs_of(what)) {
            if (!keys[input].empty()) {
                record.inputs.push_back(keys[input]);
            }
        }
        records.push_back(std::move(record));
    }
    return records;
}

void StepSolver::set_outcome(graph::StepId id, StepOutcome outcome, std::string why) {
    const std::lock_guard lock(explaining_);
    explained_[id].outcome = outcome;
    explained_[id].why = std::move(why);
}

// A step that has run in this process is found there when all is resolved anew: it has run.
void StepSolver::set_found(graph::StepId id) {
    {
        const std::lock_guard lock(explaining_);
        if (explained_[id].outcome == StepOutcome::ran && !explained_[id].why.empty()) {
            return;
        }
    }
    const Resolution resolution = states_[id]->made->resolution;
    set_outcome(
        id, resolution == Resolution::imported ? StepOutcome::imported : StepOutcome::cached, "");
}

// A step whose input has changed is not to blame for what it makes: whoever changed that is.
std::string StepSolver::explain(const StepRequest& request) {
    if (!request.why.empty()) {
        return request.why;
    }
    const std::vector<InputName> inputs = inputs_by_name(request.step);
    Why why = why_not_cached(request, inputs);
    const std::lock_guard lock(explaining_);
    std::optional<graph::StepId>& cause = explained_[request.id].cause;
    cause.reset();
    const auto below = std::ranges::find(inputs, why.from_below, &InputName::name);
    if (below != inputs.end() && works_on_one(step(below->step))) {
        const graph::StepId changed = changed_below(below->step);
        cause = explained_[changed].cause.value_or(changed);
    }
    return std::move(why.text);
}

// What a linked copy makes does not depend on what it is put on: where it was found, the file
// system above it differs because of something further down.
graph::StepId StepSolver::changed_below(graph::StepId input) const {
    while (true) {
        const auto* const copy = std::get_if<graph::CopyStep>(&step(input).what);
        const auto outcome = explained_[input].outcome;
        const bool found = outcome == StepOutcome::cached || outcome == StepOutcome::imported;
        if (copy == nullptr || copy->base || !found) {
            return input;
        }
        input = copy->onto;
    }
}

std::string StepSolver::blamed(graph::StepId input) const {
    const std::lock_guard lock(explaining_);
    const graph::StepId changed = changed_below(input);
    const graph::StepId cause = explained_[changed].cause.value_or(changed);
    std::string text = text_alone(step(cause).text);
    if (explained_[cause].differs) {
        text += std::holds_alternative<graph::CopyStep>(step(cause).what)
                    ? " (of the same files; their times, which a layer keeps, may differ)"
                    : " (of the same input: it does not make the same each time)";
    }
    return text;
}

Why StepSolver::why_not_cached(const StepRequest& request,
                               const std::vector<InputName>& inputs) const {
    if (request.step.ignore_cache || !shared_.options.use_cache) {
        return {.text = "the cache was not asked (--no-cache or --no-cache-filter)"};
    }
    Missed missed{.text = text_alone(request.step.text),
                  .definition = request.key_text().text(),
                  .files = request.names,
                  .input_names = input_names(request.step)};
    for (const InputName& input : inputs) {
        if (works_on_one(step(input.step))) {
            missed.blame[input.name] = blamed(input.step);
        }
    }
    ImportedRecords* const imported = shared_.options.imported;
    const bool ask = imported != nullptr && (shared_.options.explain || shared_.options.dry_run);
    std::vector<ImportedRecord> same_text;
    std::vector<ImportedRecord> same_place;
    auto known = shared_.records.similar(missed.text, kSimilarMax);
    add_local(known, same_text);
    if (ask) {
        std::ranges::move(imported->similar(missed.text, kSimilarMax),
                          std::back_inserter(same_text));
    }
    if (known && same_text.empty() && request.base) {
        known = shared_.records.children(*request.base, kSimilarMax);
        add_local(known, same_place);
        if (ask) {
            std::ranges::move(imported->children(*request.base, kSimilarMax),
                              std::back_inserter(same_place));
        }
        for (const graph::Step& other : plan_.steps) {
            missed.other_texts.push_back(text_alone(other.text));
        }
    }
    if (ask) {
        missed.silent_caches = imported->without_texts();
    }
    if (!known) {
        return {.text = "the cache could not be read: " + known.error().message};
    }
    return solve::why_not_cached(missed, same_text, same_place);
}

// Its record was found, but not the layer that it names.
std::string StepSolver::why_again(const State& state) const {
    if (shared_.lost(state.made->layer)) {
        return "known, but its layer could not be read";
    }
    if (state.made->resolution != Resolution::imported) {
        return "known, but its layer is gone from the store";
    }
    const auto known = shared_.options.imported->find(state.step_keys.back().key);
    if (!known || known->no_layer.empty()) {
        return fmt::format("known from the cache {}, but its layer cannot be had",
                           state.made->cache);
    }
    return "known, but " + known->no_layer;
}

// Of a layer that no cache has nothing is fetched.
bool StepSolver::is_here(const codec::Digest& layer) const {
    const auto found = shared_.store.find(layer);
    return found && *found != nullptr;
}

// In a dry run: steps that were found would run nevertheless when a step above them needs the
// layers that their cache does not have.
void StepSolver::explain_needed(graph::StepId id) {
    std::set<graph::StepId> seen = {id};
    for (std::vector<graph::StepId> open = {id}; !open.empty();) {
        const graph::StepId next = open.back();
        open.pop_back();
        const State& state = *states_[next];
        if (!state.made || state.missing) {
            continue;  // makes no layer, or would run anyway
        }
        std::vector<graph::StepId> inputs = inputs_of(step(next));
        const bool gone = state.made->without_layer && !is_here(state.made->layer);
        if (gone) {
            set_outcome(next, StepOutcome::missed, why_again(state));
        } else {
            inputs.resize(1);  // what it is on
        }
        std::ranges::copy_if(inputs, std::back_inserter(open),
                             [&seen](graph::StepId input) { return seen.insert(input).second; });
    }
}

// With equal keys and another layer it is the step that differs, and not what went into it.
void StepSolver::compare_with_last(const StepRequest& request, const Made& made) {
    std::optional<codec::Digest> last;
    const codec::Digest key = request.key();
    if (const auto known = shared_.records.find(key); known && *known) {
        last = (*known)->layer;
    } else if (shared_.options.imported != nullptr && shared_.options.use_cache) {
        const auto imported = shared_.options.imported->find(key);
        last = imported ? std::optional(imported->record.layer) : std::nullopt;
    }
    const std::lock_guard lock(explaining_);
    explained_[request.id].differs = last && last != made.layer;
}

std::vector<StepExplanation> StepSolver::explanations() const {
    const std::lock_guard lock(explaining_);
    std::vector<StepExplanation> explanations;
    for (graph::StepId id = 0; id < explained_.size(); ++id) {
        const Explained& explained = explained_[id];
        if (!explained.outcome) {
            continue;
        }
        const graph::Step& what = step(id);
        explanations.push_back(
            {.step = id,
             .text = what.text,
             .stage = what.stage,
             .lines = what.lines,
             .outcome = *explained.outcome,
             .cache = *explained.outcome == StepOutcome::imported ? states_[id]->made->cache : "",
             .why = explained.why});
    }
    return explanations;
}

}  // namespace lazybuild::solve
