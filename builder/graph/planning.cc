// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <utility>

#include "builder/graph/stage_planner.h"

namespace lazybuild::graph {

const KnownImage* Planning::find_image(const std::string& place, const codec::Platform& platform,
                                       bool config_needed) const {
    ImageWanted wanted{.place = place, .platform = platform, .config_needed = true};
    auto found = images.find(wanted);
    if (found == images.end() && !config_needed) {
        wanted.config_needed = false;
        found = images.find(wanted);
    }
    return found == images.end() ? nullptr : &found->second;
}

StepId Planning::no_files() {
    Step step;
    step.what = ScratchStep{};
    step.platform = options.target_platform;
    step.text = "FROM scratch";
    return steps.add_once("scratch", std::move(step));
}

StepId Planning::image_files(const std::string& place, const codec::Platform& platform,
                             const KnownImage& image, std::string text, dockerfile::Lines lines) {
    if (image.layers == 0) {
        return no_files();
    }
    Step step;
    step.what = ImageStep{.name = image.name, .place = place, .manifest = image.manifest};
    step.platform = platform;
    step.text = std::move(text);
    step.lines = lines;
    return steps.add_once(fmt::format("image {} {}", platform.text(), place), std::move(step));
}

StepId Planning::context_files(const std::string& name) {
    Step step;
    step.what = ContextStep{.name = name};
    step.platform = options.target_platform;
    step.text = name == "context" ? "[internal] load build context"
                                  : fmt::format("[context {}] load from client", name);
    return steps.add_once("context " + name, std::move(step));
}

Result<void> Planning::charge(std::size_t more_bytes) {
    size_bytes += more_bytes;
    if (size_bytes > kPlanBytesMax) {
        return fail(over_limit(fmt::format("the build's texts and variables take more than {} MiB",
                                           kPlanBytesMax >> 20)));
    }
    return {};
}

}  // namespace lazybuild::graph
