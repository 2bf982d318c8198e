// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/build_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <set>
#include <utility>

#include "base/csv.h"
#include "base/file.h"
#include "builder/cli/run_options.h"
#include "snapshotter/registry/reference.h"

namespace lazybuild::cli {
namespace {

constexpr std::uint64_t kArgumentFileBytesMax = 1 << 20;
constexpr std::size_t kPlatformsMax = 64;

// "key=value" at its first '='.
std::optional<std::pair<std::string, std::string>> split_pair(const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
        return std::nullopt;
    }
    return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

std::optional<std::string> environment(const std::string& name) {
    const char* const value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

// A name alone has the environment's value, or none at all.
void add_build_argument(const std::string& text, graph::PlanOptions& plan) {
    if (const auto pair = split_pair(text)) {
        plan.build_arguments[pair->first] = pair->second;
    } else if (const auto value = environment(text)) {
        plan.build_arguments[text] = *value;
    } else {
        plan.build_arguments.erase(text);
    }
}

Result<void> read_build_arguments(const BuildArgs& args, graph::PlanOptions& plan) {
    for (const std::string& file : args.build_argument_files) {
        TRY(const std::string text, read_file(file, kArgumentFileBytesMax));
        for (std::size_t begin = 0; begin < text.size();) {
            const std::size_t end = std::min(text.find('\n', begin), text.size());
            std::string line = text.substr(begin, end - begin);
            if (line.ends_with('\r')) {
                line.pop_back();
            }
            if (!line.empty() && !line.starts_with('#')) {
                add_build_argument(line, plan);
            }
            begin = end + 1;
        }
    }
    for (const std::string& argument : args.build_arguments) {
        if (argument.empty() || argument.starts_with('=')) {
            return fail(invalid(fmt::format("--build-arg {}: want NAME=VALUE or NAME", argument)));
        }
        add_build_argument(argument, plan);
    }
    return {};
}

Result<void> read_platforms(const BuildArgs& args, BuildOptions& options) {
    options.plan.build_platform = codec::host_platform();
    for (const std::string& list : args.platforms) {
        TRY(const auto names, split_fields(list));
        for (const std::string& name : names) {
            auto platform = codec::Platform::parse(name == "local" ? "linux" : name);
            if (name == "local") {
                platform = codec::host_platform();
            }
            if (!platform) {
                return fail(std::move(platform).error().context("--platform"));
            }
            if (std::ranges::find(options.platforms, *platform) == options.platforms.end()) {
                options.platforms.push_back(*platform);
            }
        }
    }
    if (options.platforms.size() > kPlatformsMax) {
        return fail(invalid(fmt::format("--platform: at most {}", kPlatformsMax)));
    }
    options.plan.platform_requested = !options.platforms.empty();
    options.plan.multi_platform = options.exporting.index = options.platforms.size() > 1;
    if (options.platforms.empty()) {
        options.platforms.push_back(codec::host_platform());
    }
    return {};
}

Result<void> read_times(const BuildArgs& args, BuildOptions& options) {
    const std::string text = !args.source_date_epoch.empty()
                                 ? args.source_date_epoch
                                 : environment("SOURCE_DATE_EPOCH").value_or("");
    if (args.timestamp) {
        options.exporting.source_date_epoch_s = *args.timestamp;
    } else if (!text.empty()) {
        std::int64_t epoch_s = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), epoch_s);
        if (error != std::errc{} || end != text.data() + text.size()) {
            return fail(invalid(fmt::format("SOURCE_DATE_EPOCH {}: not a whole number", text)));
        }
        options.exporting.source_date_epoch_s = epoch_s;
        options.plan.build_arguments.try_emplace("SOURCE_DATE_EPOCH", text);
    }
    return {};
}

bool has_key(const std::vector<std::string>& fields, std::string_view key) {
    return std::ranges::any_of(fields, [&](const std::string& field) {
        return field.starts_with(key) && field.substr(key.size()).starts_with('=');
    });
}

// A flag for all outputs stands behind what an output says itself.
std::string with_compression(const std::string& text, const std::vector<std::string>& fields,
                             const BuildArgs& args) {
    std::string whole = text;
    const bool image =
        !has_key(fields, "type") ? false : std::ranges::none_of(fields, [](const auto& f) {
            return f == "type=local" || f == "type=tar" || f == "type=cacheonly";
        });
    if (!image) {
        return whole;
    }
    if (!args.compression.empty() && !has_key(fields, "compression")) {
        whole += ",compression=" + args.compression;
    }
    if (!args.compression_level.empty() && !has_key(fields, "compression-level")) {
        whole += ",compression-level=" + args.compression_level;
    }
    if (args.force_compression && !has_key(fields, "force-compression")) {
        whole += ",force-compression=true";
    }
    return whole;
}

Result<void> read_outputs(const BuildArgs& args, BuildOptions& options) {
    std::vector<std::string> texts = args.outputs;
    if (args.push && texts.empty()) {
        texts.emplace_back("type=registry");
    }
    if (args.load) {
        texts.emplace_back("type=docker");
    }
    if (texts.empty()) {
        texts.emplace_back("type=image");
    }
    using Type = exporter::Output::Type;
    bool pushed = !args.push;
    for (const std::string& text : texts) {
        TRY(const auto fields, split_fields(text));
        auto output = exporter::Output::parse(with_compression(text, fields, args));
        if (!output) {
            return fail(std::move(output).error().context("--output " + text));
        }
        if (output->names.empty()) {
            output->names = args.tags;
        }
        if (args.push && output->type == Type::image) {
            output->push = true;
        }
        pushed |= output->push || output->type == Type::registry;
        if (args.timestamp) {
            output->rewrite_timestamps = true;
        }
        for (const std::string& annotation : args.annotations) {
            CHECK_OK(output->add_annotation(annotation));
        }
        options.outputs.push_back(*std::move(output));
    }
    if (!pushed) {
        return fail(invalid("--push: none of the --output is an image or a registry"));
    }
    for (const exporter::Output& output : options.outputs) {
        const bool pushes = output.push || output.type == Type::registry;
        if (pushes && output.names.empty()) {
            return fail(invalid("--push: under which name? -t HOST/NAME:TAG says it"));
        }
    }
    return {};
}

Result<void> read_call(const BuildArgs& args, BuildOptions& options) {
    std::string call = args.check ? "check" : args.call;
    if (const std::size_t comma = call.find(','); comma != std::string::npos) {
        const std::string format = call.substr(comma + 1);
        if (format != "format=json" && format != "format=text") {
            return fail(invalid(fmt::format("--call: {}: format=json or format=text", format)));
        }
        options.json = format == "format=json";
        call.resize(comma);
    }
    using Call = BuildOptions::Call;
    const std::map<std::string, Call> calls = {{"build", Call::build},
                                               {"check", Call::check},
                                               {"lint", Call::check},
                                               {"outline", Call::outline},
                                               {"targets", Call::targets}};
    const auto found = calls.find(call);
    if (found == calls.end()) {
        return fail(
            invalid(fmt::format("--call: {} is none of build, check, outline, targets", call)));
    }
    options.call = found->second;
    return {};
}

// An inline cache is part of the images; the others are written beside them.
Result<void> read_caches(const BuildArgs& args, BuildOptions& options) {
    for (const std::string& flag : args.cache_from) {
        for (const std::string& text : cache::caches_named(flag)) {
            TRY(auto from, cache::CacheFrom::parse(text));
            options.cache_from.push_back(std::move(from));
        }
    }
    const bool strict = environment("CI") == "true";
    for (const std::string& text : args.cache_to) {
        TRY(auto to, cache::CacheTo::parse(text, strict));
        if (to.backend == cache::Backend::inlined) {
            options.inline_cache = true;
            options.strict_inline_cache |= to.strict;
        } else {
            options.cache_to.push_back(std::move(to));
        }
    }
    const auto asked = options.plan.build_arguments.find("BUILDKIT_INLINE_CACHE");
    options.inline_cache |= asked != options.plan.build_arguments.end() && asked->second == "1";
    return {};
}

// All are written at once: of two under one name, whichever is done last would stay.
Result<void> check_names(const BuildOptions& options) {
    std::set<std::string> images;
    for (const exporter::Output& output : options.outputs) {
        const bool pushes = output.push || output.type == exporter::Output::Type::registry;
        if (!pushes || output.push_by_digest) {
            continue;
        }
        for (const std::string& name : output.names) {
            if (const auto reference = registry::Reference::parse(name)) {
                images.insert(reference->text());  // what is no name is said by the push
            }
        }
    }
    std::set<std::pair<std::string, std::string>> caches;
    for (const cache::CacheTo& to : options.cache_to) {
        const bool local = to.backend == cache::Backend::local;
        if (!local && images.contains(to.reference)) {
            return fail(invalid(fmt::format(
                "--cache-to: {} is the name of the image; give the cache a tag of its own",
                to.reference)));
        }
        if (!caches.emplace(to.name(), local ? to.tag : "").second) {
            return fail(invalid(fmt::format("--cache-to: {} is named twice", to.name())));
        }
    }
    return {};
}

Result<void> read_pairs(const std::string& flag, const std::vector<std::string>& texts,
                        std::map<std::string, std::string>& pairs, bool value_needed) {
    for (const std::string& text : texts) {
        const auto pair = split_pair(text);
        if (!pair && (value_needed || text.empty() || text.starts_with('='))) {
            return fail(invalid(fmt::format("{} {}: want NAME=VALUE", flag, text)));
        }
        pairs[pair ? pair->first : text] = pair ? pair->second : "";
    }
    return {};
}

}  // namespace

Result<BuildOptions> read_options(const BuildArgs& args) {
    BuildOptions options;
    options.plan.target = args.target;
    options.plan.no_cache = args.no_cache;
    options.plan.network = args.network;
    for (const std::string& list : args.no_cache_filters) {
        TRY(const auto stages, split_fields(list));
        options.plan.no_cache_stages.insert(options.plan.no_cache_stages.end(), stages.begin(),
                                            stages.end());
    }
    options.exporting.squash = args.squash;
    CHECK_OK(read_build_arguments(args, options.plan));
    CHECK_OK(read_pairs("--label", args.labels, options.plan.labels, false));
    CHECK_OK(read_pairs("--build-context", args.contexts, options.contexts, true));
    CHECK_OK(read_platforms(args, options));
    CHECK_OK(read_times(args, options));
    CHECK_OK(read_call(args, options));
    CHECK_OK(read_outputs(args, options));
    CHECK_OK(read_caches(args, options));
    CHECK_OK(check_names(options));
    TRY(options.pull, parse_pull_policy(args.pull));
    TRY(options.runner, read_run_options(args));
    return options;
}

}  // namespace lazybuild::cli
