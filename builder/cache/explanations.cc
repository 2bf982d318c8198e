// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/explanations.h"

#include <fmt/format.h>

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
    if (step.base) {
        json["base"] = step.base->text();
    }
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
    if (const auto base = place.find("base")) {
        TRY(record.base, base->digest());
    }
    return record;
}

}  // namespace

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

Result<Explanations> read_explanations(ByteView blob) {
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
    Explanations records;
    for (const JsonPlace& place : places) {
        TRY(const solve::Record record, read_record(place));
        records.try_emplace(record.key, record);
    }
    return records;
}

}  // namespace lazybuild::cache
