// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/definition.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "codec/sha256.h"

namespace lazybuild::graph {
namespace {

class Writer {
  public:
    explicit Writer(std::string_view step) {
        field("schema", std::to_string(kDefinitionSchema));
        field("step", step);
    }

    void field(std::string_view name, std::string_view value) {
        escape(name);
        text_ += '=';
        escape(value);
        text_ += '\n';
    }
    /// Left out when it says nothing.
    void optional(std::string_view name, std::string_view value) {
        if (!value.empty()) {
            field(name, value);
        }
    }
    void flag(std::string_view name, bool value) {
        if (value) {
            field(name, "true");
        }
    }
    void number(std::string_view name, const std::optional<std::uint32_t>& value) {
        if (value) {
            field(name, std::to_string(*value));
        }
    }
    void list(std::string_view name, const std::vector<std::string>& values) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            field(fmt::format("{} {}", name, i), values[i]);
        }
    }
    void file(std::string_view name, const InlineFile& file) {
        field(fmt::format("{} name", name), file.name);
        field(fmt::format("{} mode", name), fmt::format("{:04o}", file.mode));
        field(fmt::format("{} content", name), codec::sha256(as_bytes(file.content)).text());
    }
    std::string take() { return std::move(text_); }

  private:
    void escape(std::string_view value) {
        for (const char character : value) {
            if (character == '\n') {
                text_ += "\\n";
            } else if (character == '\\') {
                text_ += "\\\\";
            } else {
                text_ += character;
            }
        }
    }

    std::string text_;
};

std::string write(const ImageStep& image) {
    Writer writer("image");
    writer.field("manifest", image.manifest.text());
    return writer.take();
}

std::string write(const ScratchStep& /*scratch*/) {
    return Writer("scratch").take();
}

std::string write(const ContextStep& /*context*/) {
    return Writer("context").take();
}

std::string write(const GitStep& git) {
    Writer writer("git");
    writer.field("remote", git.remote);
    writer.optional("reference", git.reference);
    writer.optional("directory", git.directory);
    writer.optional("checksum", git.checksum);
    writer.flag("keep git directory", git.keep_git_directory);
    writer.flag("submodules", git.submodules);
    writer.flag("commit times", git.commit_times);
    return writer.take();
}

std::string write(const HttpStep& http) {
    Writer writer("http");
    writer.field("url", http.url);
    writer.field("file name", http.file_name);
    writer.optional("checksum", http.checksum);
    return writer.take();
}

std::string write(const CopyStep& copy) {
    Writer writer("copy");
    writer.flag("link", !copy.base);
    for (std::size_t i = 0; i < copy.inline_files.size(); ++i) {
        writer.file(fmt::format("file {}", i), copy.inline_files[i]);
    }
    for (std::size_t i = 0; i < copy.sources.size(); ++i) {
        writer.list(fmt::format("source {}", i), copy.sources[i].patterns);
        writer.flag(fmt::format("source {} unpack", i), copy.sources[i].unpack);
    }
    writer.field("destination", copy.destination);
    writer.optional("owner", copy.owner);
    writer.optional("permissions", copy.permissions);
    writer.flag("parents", copy.parents);
    writer.list("exclude", copy.excludes);
    writer.flag("missing is no error", !copy.required_literals);
    return writer.take();
}

std::string write(const DirectoryStep& directory) {
    Writer writer("directory");
    writer.field("path", directory.path);
    writer.optional("user", directory.user);
    return writer.take();
}

std::string_view name_of(RunMount::Type type) {
    switch (type) {
        case RunMount::Type::bind: return "bind";
        case RunMount::Type::cache: return "cache";
        case RunMount::Type::tmpfs: return "tmpfs";
        case RunMount::Type::secret: return "secret";
        case RunMount::Type::ssh: return "ssh";
    }
    return "";
}

void write_mount(Writer& writer, const std::string& prefix, const RunMount& mount) {
    const auto named = [&](std::string_view name) { return fmt::format("{} {}", prefix, name); };
    writer.field(named("type"), name_of(mount.type));
    writer.optional(named("target"), mount.target);
    writer.flag(named("from"), mount.from.has_value());
    writer.optional(named("source"), mount.source);
    writer.flag(named("read only"), mount.read_only);
    if (mount.type != RunMount::Type::cache || mount.id != mount.target) {
        writer.optional(named("id"), mount.id);
    }
    if (mount.size_bytes != 0) {
        writer.field(named("size"), std::to_string(mount.size_bytes));
    }
    writer.number(named("mode"), mount.mode);
    writer.number(named("uid"), mount.uid);
    writer.number(named("gid"), mount.gid);
    writer.flag(named("required"), mount.required);
    writer.optional(named("variable"), mount.variable);
}

std::string write(const RunStep& run, const codec::Platform& platform) {
    Writer writer("run");
    writer.field("platform", platform.text());
    writer.optional("os version", platform.os_version);
    writer.list("arg", run.arguments);
    // The order in which they were set means nothing to who reads them.
    std::vector<std::string> environment = run.environment;
    std::ranges::sort(environment);
    for (const std::string& line : environment) {
        const std::size_t equals = std::min(line.find('='), line.size());
        writer.field("env " + line.substr(0, equals),
                     line.substr(std::min(equals + 1, line.size())));
    }
    writer.field("directory", run.working_directory);
    writer.optional("user", run.user);
    for (std::size_t i = 0; i < run.mounts.size(); ++i) {
        write_mount(writer, fmt::format("mount {}", i), run.mounts[i]);
    }
    if (run.script) {
        writer.file("script", *run.script);
    }
    writer.field("network", run.network);
    writer.flag("insecure", run.insecure);
    writer.field("host name", run.host_name);
    return writer.take();
}

}  // namespace

std::string definition(const Step& step) {
    if (const auto* run = std::get_if<RunStep>(&step.what)) {
        return write(*run, step.platform);
    }
    return std::visit(
        [](const auto& what) -> std::string {
            if constexpr (requires { write(what); }) {
                return write(what);
            }
            return {};
        },
        step.what);
}

}  // namespace lazybuild::graph
