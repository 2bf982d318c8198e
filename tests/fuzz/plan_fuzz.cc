// SPDX-License-Identifier: Apache-2.0
// Any Dockerfile is a plan or an Error, whatever its bases say; a plan's steps come after what they
// need, and its settings can be written and read.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/assert.h"
#include "builder/dockerfile/parser.h"
#include "builder/graph/definition.h"
#include "builder/graph/plan.h"

namespace {

namespace dockerfile = lazybuild::dockerfile;
namespace graph = lazybuild::graph;

constexpr std::size_t kInputBytesMax = 64 << 10;
constexpr int kRoundsMax = 32;

void look_at(const graph::Plan& plan) {
    for (graph::StepId id = 0; id < plan.steps.size(); ++id) {
        ASSERT(!graph::definition(plan.steps[id]).empty());
        if (const auto* copy = std::get_if<graph::CopyStep>(&plan.steps[id].what)) {
            ASSERT(copy->onto < id && copy->destination.starts_with('/'));
            for (const graph::CopySource& source : copy->sources) {
                ASSERT(source.from < id);
            }
        } else if (const auto* run = std::get_if<graph::RunStep>(&plan.steps[id].what)) {
            ASSERT(run->base < id && run->working_directory.starts_with('/'));
            for (const graph::RunMount& mount : run->mounts) {
                ASSERT(mount.from.value_or(0) < id);
                ASSERT(mount.target.empty() || mount.target.starts_with('/'));
            }
        }
    }
    for (const graph::StageResult& stage : plan.stages) {
        ASSERT(stage.result < plan.steps.size());
        const std::string config = graph::serialize(stage.settings, {}, "");
        ASSERT(graph::ImageSettings::parse(lazybuild::as_bytes(config)).has_value());
    }
    static_cast<void>(graph::outline_json(plan.outline));
}

}  // namespace

// The file, and after a line of "%%" the ONBUILD triggers of every base, one a line.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    if (size > kInputBytesMax) {
        return 0;
    }
    const std::size_t cut = text.find("\n%%\n");
    graph::ImageSettings settings;
    if (cut != std::string_view::npos) {
        settings.onbuild = {std::string(text.substr(cut + 4))};
        text = text.substr(0, cut + 1);
    }
    const auto file = dockerfile::parse(text, "Dockerfile");
    if (!file) {
        return 0;
    }
    graph::PlanOptions options;
    options.build_platform = options.target_platform = lazybuild::codec::host_platform();
    options.build_arguments = {{"A", "b"}, {"HTTP_PROXY", "p"}};
    options.contexts["files"] = {.kind = graph::NamedContext::Kind::files, .place = ""};
    options.all_stages = true;
    graph::Images images;
    for (int round = 0; round < kRoundsMax; ++round) {
        const auto planned = graph::plan(*file, options, images);
        if (!planned) {
            ASSERT(!planned.error().message.empty());
            return 0;
        }
        if (planned->missing.empty()) {
            look_at(planned->plan);
            return 0;
        }
        for (const graph::ImageWanted& wanted : planned->missing) {
            graph::KnownImage image;
            image.name = wanted.place;
            image.platform = wanted.platform;
            image.settings = settings;
            image.layers = 1;
            ASSERT(images.emplace(wanted, image).second);  // nothing is asked for twice
        }
    }
    return 0;
}
