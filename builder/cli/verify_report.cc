// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/verify_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "builder/image/work.h"
#include "codec/json.h"

namespace lazybuild::cli {
namespace {

using codec::Json;

void add_layer(std::string& text, const LayerVerdict& layer, std::size_t number,
               std::size_t count) {
    const std::string name =
        fmt::format("layer {}/{}  {}", number, count, image::short_digest(layer.descriptor.digest));
    if (layer.findings.empty()) {
        std::string held = "blob, diffID";
        if (layer.indexed) {
            held += fmt::format(", TOC, {} files, {} chunks", layer.files, layer.chunks);
        }
        text += fmt::format("{}  {:>9}  {:7}  ok: {}\n", name,
                            image::size_text(layer.descriptor.size_bytes), layer.format, held);
    }
    for (const std::string& line : layer.findings.lines()) {
        text += fmt::format("{}  BAD: {}\n", name, image::printable(line));
    }
}

}  // namespace

std::size_t VerifyReport::finding_count() const {
    std::size_t count = findings.count();
    for (const LayerVerdict& layer : layers) {
        count += layer.findings.count();
    }
    return count;
}

std::string verdict_text(const VerifyReport& report) {
    std::string text =
        fmt::format("manifest   {}  ok\n", image::short_digest(report.manifest.digest));
    if (report.findings.empty()) {
        text += fmt::format("config     {}  ok\n", image::short_digest(report.config.digest));
    }
    for (const std::string& line : report.findings.lines()) {
        text += fmt::format("config     {}  BAD: {}\n", image::short_digest(report.config.digest),
                            image::printable(line));
    }
    for (std::size_t i = 0; i < report.layers.size(); ++i) {
        add_layer(text, report.layers[i], i + 1, report.layers.size());
    }
    return text;
}

std::string verdict_json(const VerifyReport& report) {
    Json layers = Json::array();
    for (const LayerVerdict& layer : report.layers) {
        Json json = {{"digest", layer.descriptor.digest.text()},
                     {"size", layer.descriptor.size_bytes},
                     {"format", layer.format},
                     {"holds", layer.findings.empty()},
                     {"findings", layer.findings.lines()}};
        if (layer.diff_id) {
            json["diffID"] = layer.diff_id->text();
        }
        if (layer.indexed) {
            json["files"] = layer.files;
            json["chunks"] = layer.chunks;
        }
        layers.push_back(std::move(json));
    }
    return codec::json_pretty({{"name", report.name},
                               {"holds", report.finding_count() == 0},
                               {"manifest", report.manifest.digest.text()},
                               {"config", report.config.digest.text()},
                               {"findings", report.findings.lines()},
                               {"layers", std::move(layers)}});
}

}  // namespace lazybuild::cli
