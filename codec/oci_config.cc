// SPDX-License-Identifier: Apache-2.0
#include "codec/oci_config.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "codec/oci_edit.h"
#include "codec/oci_manifest.h"
#include "codec/sha256.h"

namespace lazybuild::codec {
namespace {

// Part of "config": what a container of the image runs.
Result<void> parse_execution(const JsonPlace& place, ImageConfig& config) {
    const auto execution = place.find("config");
    if (!execution) {
        return {};
    }
    if (!execution->is_object()) {
        return fail(execution->error("not an object"));
    }
    TRY(config.user, execution->text_or_empty("User"));
    TRY(config.working_directory, execution->text_or_empty("WorkingDir"));
    TRY(config.entrypoint, execution->text_array_or_empty("Entrypoint"));
    TRY(config.command, execution->text_array_or_empty("Cmd"));
    TRY(config.environment, execution->text_array_or_empty("Env"));
    TRY(config.labels, execution->text_map_or_empty("Labels"));
    return {};
}

Result<void> parse_history(const JsonPlace& place, ImageConfig& config) {
    const auto history = place.find("history");
    if (!history) {
        return {};
    }
    TRY(const std::vector<JsonPlace> entries, history->array());
    for (const JsonPlace& entry : entries) {
        if (!entry.is_object()) {
            return fail(entry.error("not an object"));
        }
        HistoryEntry parsed;
        TRY(parsed.created_by, entry.text_or_empty("created_by"));
        if (const auto empty = entry.find("empty_layer")) {
            if (!empty->value().is_boolean()) {
                return fail(empty->error("neither true nor false"));
            }
            parsed.empty_layer = empty->value().get<bool>();
        }
        config.history.push_back(std::move(parsed));
    }
    return {};
}

Result<void> parse_root_file_system(const JsonPlace& place, ImageConfig& config) {
    TRY(const JsonPlace rootfs, place.at("rootfs"));
    TRY(const JsonPlace type, rootfs.at("type"));
    TRY(const std::string type_text, type.text());
    if (type_text != "layers") {
        return fail(type.error(fmt::format("\"{}\", not \"layers\"", type_text)));
    }
    const auto diff_ids = rootfs.find("diff_ids");  // null in images without layers
    if (!diff_ids) {
        return {};
    }
    TRY(const std::vector<JsonPlace> elements, diff_ids->array());
    if (elements.size() > kManifestLayersMax) {
        return fail(over_limit(
            fmt::format("{}: more than {} layers", diff_ids->path(), kManifestLayersMax)));
    }
    for (const JsonPlace& element : elements) {
        TRY(const Digest digest, element.digest());
        config.diff_ids.push_back(digest);
    }
    return {};
}

}  // namespace

Result<ImageConfig> ImageConfig::parse(ByteView text) {
    TRY(const JsonDocument document, JsonDocument::parse(text, "config"));
    const JsonPlace place = document.root();
    ImageConfig config;
    TRY(const JsonPlace os, place.at("os"));
    TRY(config.platform.os, os.text());
    TRY(const JsonPlace architecture, place.at("architecture"));
    TRY(config.platform.architecture, architecture.text());
    TRY(config.platform.variant, place.text_or_empty("variant"));
    TRY(config.platform.os_version, place.text_or_empty("os.version"));
    TRY(config.created, place.text_or_empty("created"));
    CHECK_OK(parse_execution(place, config));
    CHECK_OK(parse_history(place, config));
    CHECK_OK(parse_root_file_system(place, config));
    config.original = json_text(place.value());
    return config;
}

std::string ImageConfig::serialize() const {
    Json object = original_object(original);
    object["architecture"] = platform.architecture;
    object["os"] = platform.os;
    Json& rootfs = object["rootfs"];
    rootfs["type"] = "layers";
    Json written = Json::array();
    for (const Digest& diff_id : diff_ids) {
        written.push_back(diff_id.text());
    }
    const auto old = rootfs.find("diff_ids");
    if (!written.empty() || original.empty() || (old != rootfs.end() && old->is_array())) {
        rootfs["diff_ids"] = std::move(written);  // null and absent are as good as []
    }
    return json_text(object);
}

std::vector<Digest> chain_ids(const std::vector<Digest>& diff_ids) {
    std::vector<Digest> chain;
    chain.reserve(diff_ids.size());
    for (const Digest& diff_id : diff_ids) {
        chain.push_back(
            chain.empty() ? diff_id : sha256(as_bytes(chain.back().text() + " " + diff_id.text())));
    }
    return chain;
}

}  // namespace lazybuild::codec
