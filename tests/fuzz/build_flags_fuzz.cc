// SPDX-License-Identifier: Apache-2.0
// Flags of a build with several fields, a line each, "-o type=oci,…": every text is an option or an
// Error that says something, and what was understood is within its limits. The letters: o --output,
// a --annotation for the outputs before it, s --secret, S --ssh, h --add-host, u --ulimit,
// w --allow, m --shm-size, p --platform, c a FROM's place, g a git place, i an image's place.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "base/csv.h"
#include "builder/cli/run_options.h"
#include "builder/export/annotations.h"
#include "builder/export/exporter.h"
#include "builder/graph/git_reference.h"
#include "builder/graph/place.h"
#include "builder/image/image_place.h"
#include "codec/oci_platform.h"
#include "codec/zstd.h"

namespace {

namespace cli = lazybuild::cli;
namespace exporter = lazybuild::exporter;

constexpr std::size_t kInputBytesMax = 64 << 10;

template <class Value>
bool is_told(const lazybuild::Result<Value>& result) {
    ASSERT(result || !result.error().message.empty());
    return result.has_value();
}

void look_at(const exporter::Output& output) {
    using Type = exporter::Output::Type;
    ASSERT(output.type != Type::registry || output.push);
    ASSERT((output.type != Type::local && output.type != Type::tar) || !output.destination.empty());
    ASSERT(output.level() >= -1 && output.level() <= lazybuild::codec::kZstdLevelMax);
    ASSERT(exporter::Annotations::parse(output.annotations));
}

void read_places(char letter, const std::string& value) {
    if (letter == 'p') {
        const auto platform = lazybuild::codec::Platform::parse(value);
        if (is_told(platform)) {
            ASSERT(lazybuild::codec::Platform::parse(platform->text()) == *platform);
        }
    } else if (letter == 'c') {
        lazybuild::graph::PlanOptions options;
        options.contexts["files"] = {.kind = lazybuild::graph::NamedContext::Kind::files,
                                     .place = ""};
        const auto host = lazybuild::codec::host_platform();
        is_told(lazybuild::graph::find_place(options, value, host));
    } else if (letter == 'g') {
        is_told(lazybuild::graph::parse_git_reference(value));
    } else if (letter == 'i') {
        const auto place = lazybuild::image::ImagePlace::parse(value);
        if (is_told(place)) {
            const auto again = lazybuild::image::ImagePlace::parse(place->text());
            ASSERT(again && again->text() == place->text());
        }
    } else {
        is_told(lazybuild::split_fields(value));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    if (size > kInputBytesMax) {
        return 0;
    }
    std::vector<exporter::Output> outputs;
    while (rest.size() >= 3) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const char letter = line.size() < 3 ? '\0' : line[1];
        const std::string value(line.substr(std::min<std::size_t>(3, line.size())));
        cli::BuildArgs args;
        switch (letter) {
            case 'o':
                if (const auto output = exporter::Output::parse(value); is_told(output)) {
                    look_at(*output);
                    outputs.push_back(*output);
                }
                break;
            case 'a':
                for (exporter::Output& output : outputs) {
                    is_told(output.add_annotation(value));
                }
                break;
            case 's': args.secrets = {value}; break;
            case 'S': args.ssh = {value}; break;
            case 'h': args.extra_hosts = {value}; break;
            case 'u': args.ulimits = {value}; break;
            case 'w': args.allowed = {value}; break;
            case 'm': args.shm_size = value; break;
            default: read_places(letter, value);
        }
        is_told(cli::read_run_options(args));
    }
    return 0;
}
