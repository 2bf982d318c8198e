// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/inspect_report.h"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>

#include "builder/image/work.h"
#include "codec/file_type.h"
#include "codec/json.h"

namespace lazybuild::cli {
namespace {

using codec::FileType;
using codec::Json;
using codec::Node;

char type_letter(FileType type) {
    switch (type) {
        case FileType::regular: return '-';
        case FileType::directory: return 'd';
        case FileType::symlink: return 'l';
        case FileType::character: return 'c';
        case FileType::block: return 'b';
        case FileType::fifo: return 'p';
    }
    return '?';
}

// Calls visit(path, node) for everything below the root, depth first, in order of names.
template <class Visit>
void for_each_entry(const codec::FileTree& tree, Visit visit) {
    struct Level {
        codec::NodeId directory;
        std::size_t next;
        std::size_t path_bytes;
    };
    std::string path;
    std::vector<Level> levels = {{codec::kRootNode, 0, 0}};
    while (!levels.empty()) {
        Level& level = levels.back();
        const Node& directory = tree.nodes[level.directory];
        if (level.next == directory.entries.size()) {
            levels.pop_back();
            continue;
        }
        const codec::DirectoryEntry& entry = directory.entries[level.next++];
        path.resize(level.path_bytes);
        path += path.empty() ? "" : "/";
        path += entry.name;
        const Node& node = tree.nodes[entry.node];
        visit(path, node);
        if (node.type == FileType::directory) {
            levels.push_back({entry.node, 0, path.size()});
        }
    }
}

void print_toc(const codec::Toc& toc, std::string& out) {
    if (toc.prefetch_end_bytes) {
        fmt::format_to(std::back_inserter(out), "    prefetched first: {}\n",
                       image::size_text(*toc.prefetch_end_bytes));
    }
    for_each_entry(toc.tree, [&out](const std::string& path, const Node& node) {
        fmt::format_to(std::back_inserter(out), "    {}{:04o} {:>12} {:>5} {}",
                       type_letter(node.type), node.mode, node.size_bytes,
                       node.chunk_count == 0 ? "" : fmt::format("{} ch", node.chunk_count),
                       image::printable(path));
        if (node.type == FileType::symlink) {
            fmt::format_to(std::back_inserter(out), " -> {}", image::printable(node.link_target));
        }
        out += '\n';
    });
}

void print_config(const codec::ImageConfig& config, std::string& out) {
    auto line = [&out](std::string_view name, const std::string& value) {
        if (!value.empty()) {
            fmt::format_to(std::back_inserter(out), "{:<12} {}\n", name, image::printable(value));
        }
    };
    line("Platform", config.platform.text());
    line("Created", config.created);
    line("User", config.user);
    line("Directory", config.working_directory);
    if (!config.entrypoint.empty()) {
        line("Entrypoint", fmt::format("\"{}\"", fmt::join(config.entrypoint, "\" \"")));
    }
    if (!config.command.empty()) {
        line("Command", fmt::format("\"{}\"", fmt::join(config.command, "\" \"")));
    }
    for (const std::string& variable : config.environment) {
        line("Environment", variable);
    }
    for (const auto& [name, value] : config.labels) {
        line("Label", fmt::format("{}={}", name, value));
    }
}

Json toc_json(const codec::Toc& toc) {
    Json entries = Json::array();
    for_each_entry(toc.tree, [&entries](const std::string& path, const Node& node) {
        Json entry = {{"path", path},      {"type", codec::type_name(node.type)},
                      {"mode", node.mode}, {"uid", node.uid},
                      {"gid", node.gid},   {"modified", node.mtime_s}};
        if (node.type == FileType::regular) {
            entry["size"] = node.size_bytes;
            entry["chunks"] = node.chunk_count;
            entry["links"] = node.link_count;
        } else if (node.type == FileType::symlink) {
            entry["target"] = node.link_target;
        }
        entries.push_back(std::move(entry));
    });
    return entries;
}

Json layer_json(const LayerReport& layer) {
    Json json = {{"digest", layer.descriptor.digest.text()},
                 {"size", layer.descriptor.size_bytes},
                 {"mediaType", layer.descriptor.media_type},
                 {"format", layer.inspection.format},
                 {"lazy", layer.inspection.lazy}};
    if (!layer.inspection.reason.empty()) {
        json["reason"] = layer.inspection.reason;
    }
    if (layer.diff_id) {
        json["diffID"] = layer.diff_id->text();
    }
    if (layer.inspection.toc_digest) {
        json["tocDigest"] = layer.inspection.toc_digest->text();
    }
    if (!layer.descriptor.annotations.empty()) {
        json["annotations"] = layer.descriptor.annotations;
    }
    if (layer.toc) {
        json["toc"] = toc_json(*layer.toc);
        if (layer.toc->prefetch_end_bytes) {
            json["prefetchEnd"] = *layer.toc->prefetch_end_bytes;
        }
    }
    return json;
}

Json descriptor_json(const codec::Descriptor& descriptor) {
    return {{"mediaType", descriptor.media_type},
            {"digest", descriptor.digest.text()},
            {"size", descriptor.size_bytes}};
}

}  // namespace

std::string report_text(const ImageReport& report) {
    std::string out;
    const auto end = std::back_inserter(out);
    fmt::format_to(end, "{:<12} {}\n", "Name", report.name);
    if (report.index) {
        fmt::format_to(end, "{:<12} {}\n", "Index", report.root.digest.text());
        fmt::format_to(end, "{:<12} {}\n", "Platforms", image::list_platforms(*report.index));
    }
    fmt::format_to(end, "{:<12} {}\n", "Manifest", report.manifest_descriptor.digest.text());
    fmt::format_to(end, "{:<12} {}\n", "Type", report.manifest.media_type);
    fmt::format_to(end, "{:<12} {}\n", "Config", report.manifest.config.digest.text());
    if (report.config) {
        print_config(*report.config, out);
    }
    std::uint64_t total_bytes = 0;
    for (const LayerReport& layer : report.layers) {
        total_bytes += layer.descriptor.size_bytes;
    }
    fmt::format_to(end, "{:<12} {}, {}\n", "Layers", report.layers.size(),
                   image::size_text(total_bytes));
    for (const LayerReport& layer : report.layers) {
        const image::LayerInspection& inspection = layer.inspection;
        fmt::format_to(end, "  {} {:>9}  {:<12} {}{}\n", layer.descriptor.digest.text(),
                       image::size_text(layer.descriptor.size_bytes), inspection.format,
                       inspection.lazy ? "lazy" : "not lazy",
                       inspection.reason.empty() ? "" : ": " + inspection.reason);
        if (layer.toc) {
            print_toc(*layer.toc, out);
        }
    }
    return out;
}

std::string report_json(const ImageReport& report) {
    Json json = {{"name", report.name}};
    if (report.index) {
        Json index = descriptor_json(report.root);
        Json manifests = Json::array();
        for (const codec::Descriptor& manifest : report.index->manifests) {
            manifests.push_back(manifest.json());
        }
        index["manifests"] = std::move(manifests);
        json["index"] = std::move(index);
    }
    json["manifest"] = descriptor_json(report.manifest_descriptor);
    if (!report.manifest.annotations.empty()) {
        json["manifest"]["annotations"] = report.manifest.annotations;
    }
    json["config"] = descriptor_json(report.manifest.config);
    if (report.config) {
        const codec::ImageConfig& config = *report.config;
        json["platform"] = config.platform.text();
        json["config"]["content"] = Json::parse(config.original, nullptr, false);
    }
    Json layers = Json::array();
    for (const LayerReport& layer : report.layers) {
        layers.push_back(layer_json(layer));
    }
    json["layers"] = std::move(layers);
    return codec::json_pretty(json);
}

}  // namespace lazybuild::cli
