// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/source_epoch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <variant>

namespace lazybuild::cli {
namespace {

// nullptr unless the stage is that one ADD.
const graph::Step* only_remote(const graph::Plan& plan, const std::string& name) {
    const auto stage = std::ranges::find(plan.stages, name, &graph::StageResult::name);
    if (stage == plan.stages.end()) {
        return nullptr;
    }
    const auto* const copy = std::get_if<graph::CopyStep>(&plan.steps[stage->result].what);
    if (copy == nullptr || copy->sources.size() != 1 || !copy->inline_files.empty() ||
        !std::holds_alternative<graph::ScratchStep>(plan.steps[copy->onto].what)) {
        return nullptr;
    }
    return &plan.steps[copy->sources.front().from];
}

}  // namespace

std::optional<std::int64_t> parse_epoch(const std::string& text) {
    std::int64_t epoch_s = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), epoch_s);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    return whole ? std::optional{epoch_s} : std::nullopt;
}

Result<std::int64_t> epoch_of_stage(const graph::Plan& plan, const std::string& name,
                                    BuildContexts& contexts) {
    const graph::Step* const remote = only_remote(plan, name);
    if (remote != nullptr) {
        if (const auto* const git = std::get_if<graph::GitStep>(&remote->what)) {
            return contexts.time_of(*git);
        }
        if (const auto* const http = std::get_if<graph::HttpStep>(&remote->what)) {
            return contexts.time_of(*http);
        }
    }
    return fail(invalid(fmt::format(
        "stage {} has no time of its own: want FROM scratch and one ADD of a URL or a repository",
        name)));
}

}  // namespace lazybuild::cli
