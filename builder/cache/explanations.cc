// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/explanations.h"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/stream.h"
#include "builder/cache/cache_config.h"
#include "builder/image/image_documents.h"
#include "codec/json.h"
#include "codec/zstd.h"

namespace lazybuild::cache {
namespace {

using codec::Json;
using codec::JsonPlace;

Json step_json(const codec::Digest& key, std::string_view definition,
               const solve::StepRecord& step) {
    Json json = Json::object();
    json["key"] = key.text();
    json["text"] = step.text;
    if (!definition.empty()) {
        json["definition"] = definition;
    }
    if (!step.files.empty()) {
        json["files"] = step.files;
    }
    if (!step.input_names.empty()) {
        json["inputNames"] = step.input_names;
    }
    return json;
}

Result<solve::Record> read_record(const JsonPlace& place) {
    solve::Record record;
    TRY(const JsonPlace key, place.at("key"));
    TRY(record.key, key.digest());
    TRY(record.text, place.text_or_empty("text"));
    TRY(record.definition, place.text_or_empty("definition"));
    TRY(record.files, place.text_array_or_empty("files"));
    TRY(record.input_names, place.text_array_or_empty("inputNames"));
    if (record.files.size() > solve::kRecordFilesMax) {
        record.files.resize(solve::kRecordFilesMax);
    }
    record.base = base_in(record.definition);
    return record;
}

}  // namespace

std::optional<codec::Digest> base_in(std::string_view definition) {
    constexpr std::string_view kName = "base ";
    // "lazybuild key 1 <bytes of the step's own text>": what inputs are comes after it.
    const std::size_t line_end = definition.find('\n');
    if (line_end == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view head = definition.substr(0, line_end);
    const std::string_view count = head.substr(head.rfind(' ') + 1);
    std::size_t own_bytes = 0;
    const auto [end, failure] =
        std::from_chars(count.data(), count.data() + count.size(), own_bytes);
    std::string_view inputs = definition.substr(line_end + 1);
    if (failure != std::errc{} || own_bytes > inputs.size()) {
        return std::nullopt;
    }
    inputs.remove_prefix(own_bytes);
    while (!inputs.empty()) {
        const std::string_view line = inputs.substr(0, inputs.find('\n'));
        if (line.starts_with(kName)) {
            const auto base = codec::Digest::parse(line.substr(kName.size()));
            return base ? std::optional{*base} : std::nullopt;
        }
        inputs.remove_prefix(std::min(line.size() + 1, inputs.size()));
    }
    return std::nullopt;
}

exporter::NamedDocument write_explanations(const std::vector<solve::StepRecord>& steps) {
    constexpr int kLevel = 9;
    std::map<codec::Digest, Json> sorted;
    for (const solve::StepRecord& step : steps) {
        for (const solve::StepKey& key : step.keys) {
            sorted.try_emplace(key.key, step_json(key.key, key.definition, step));
        }
    }
    Json json = Json::object();
    json["version"] = 1;
    json["records"] = Json::array();
    for (auto& [key, record] : sorted) {
        json["records"].push_back(std::move(record));
    }
    exporter::NamedDocument document;
    codec::ZstdFrameCompressor{kLevel}.append(as_bytes(codec::json_text(json)), document.bytes);
    document.descriptor = image::describe(kExplanationsType, document.bytes);
    return document;
}

Result<std::vector<solve::Record>> read_explanations(ByteView blob) {
    codec::ZstdStream stream{kExplanationsTextMax};
    MemorySink sink;
    CHECK_OK(stream.push(blob, sink));
    CHECK_OK(stream.finish());
    TRY(const auto document,
        codec::JsonDocument::parse(sink.bytes(), "explanations", kExplanationsTextMax));
    TRY(const JsonPlace list, document.root().at("records"));
    TRY(const std::vector<JsonPlace> places, list.array());
    if (places.size() > kConfigRecordsMax) {
        return fail(over_limit(fmt::format("explanations: {} records, more than {}", places.size(),
                                           kConfigRecordsMax)));
    }
    std::vector<solve::Record> records;
    for (const JsonPlace& place : places) {
        TRY(solve::Record record, read_record(place));
        records.push_back(std::move(record));
    }
    return records;
}

}  // namespace lazybuild::cache
