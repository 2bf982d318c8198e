// SPDX-License-Identifier: Apache-2.0
// The part of StepSolver that tells others about steps: exporters of caches what they made, and
// people why they had to.
#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "builder/solve/step_solver.h"
#include "builder/solve/why.h"

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

bool works_on_one(const graph::Step& what) {
    return std::holds_alternative<graph::CopyStep>(what.what) ||
           std::holds_alternative<graph::DirectoryStep>(what.what) ||
           std::holds_alternative<graph::RunStep>(what.what);
}

}  // namespace

std::vector<std::string> StepSolver::input_names(const graph::Step& what) const {
    std::vector<std::string> names;
    if (works_on_one(what)) {
        names.push_back("base " + name_of(step(inputs_of(what).front())));
    }
    std::size_t number = 0;
    for (const graph::StepId source : sources_of(what)) {
        names.push_back(fmt::format("source {} {}", number, name_of(step(source))));
        ++number;
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
        if (!state.made.layer) {
            continue;
        }
        StepRecord record{.step = id,
                          .keys = state.step_keys,
                          .layer = *state.made.layer,
                          .layer_ids = state.ids,
                          .inputs = {},
                          .resolution = state.made.resolution,
                          .cache = state.made.cache,
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

std::string StepSolver::why_not_cached(const StepRequest& request) {
    if (request.step.ignore_cache || !shared_.options.use_cache) {
        return "the cache was not asked";
    }
    const auto candidates = shared_.records.similar(text_alone(request.step.text), kSimilarMax);
    if (!candidates) {
        return "the cache could not be read: " + candidates.error().message;
    }
    return solve::why_not_cached(request.key_text().text(), request.names, *candidates);
}

}  // namespace lazybuild::solve
