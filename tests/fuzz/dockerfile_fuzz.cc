// SPDX-License-Identifier: Apache-2.0
// Any bytes are a Dockerfile or an Error; of a Dockerfile, the lines are in the file and in order,
// and everything else that reads it as it stands copes with it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/assert.h"
#include "builder/dockerfile/checks.h"
#include "builder/dockerfile/excerpt.h"
#include "builder/dockerfile/parser.h"
#include "builder/dockerfile/run_mount.h"

namespace {

namespace dockerfile = lazybuild::dockerfile;

void look_at(const dockerfile::Instruction& instruction, const dockerfile::Dockerfile& file) {
    const auto count = static_cast<std::uint32_t>(std::ranges::count(file.source, '\n') + 1);
    const dockerfile::Lines lines = instruction.lines;
    ASSERT(lines.first >= 1 && lines.first <= lines.last && lines.last <= count);
    ASSERT(!dockerfile::excerpt(file, lines).empty());
    if (const auto* run = std::get_if<dockerfile::Run>(&instruction.what)) {
        for (const std::string& mount : run->mounts) {
            static_cast<void>(dockerfile::parse_mount(
                mount, [](std::string_view word) { return lazybuild::Result<std::string>(word); }));
        }
    }
    // What is stored for later builds is what they can read.
    if (const auto* onbuild = std::get_if<dockerfile::Onbuild>(&instruction.what)) {
        static_cast<void>(dockerfile::parse_instruction(onbuild->instruction));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    static_cast<void>(dockerfile::parse_instruction(text));
    const auto file = dockerfile::parse(text, "Dockerfile");
    if (!file) {
        ASSERT(!file.error().message.empty());
        return 0;
    }
    ASSERT(!file->stages.empty());
    for (const auto& instruction : file->global_arguments) {
        look_at(instruction, *file);
    }
    for (const auto& stage : file->stages) {
        for (const auto& instruction : stage.instructions) {
            look_at(instruction, *file);
        }
    }
    if (const auto options = dockerfile::check_options(*file, std::nullopt)) {
        static_cast<void>(dockerfile::wanted_findings(dockerfile::check(*file), *file, *options));
    }
    return 0;
}
