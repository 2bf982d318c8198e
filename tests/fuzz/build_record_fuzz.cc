// SPDX-License-Identifier: Apache-2.0
// A record of a step, whatever its row in build.db holds, is read or an Error, comes back the same
// when it is written and read again, and can be compared with any step that was not found. The
// input: the columns of kColumns ("-" for NULL where that may be), then the definition and files of
// that step, each up to a NUL.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/file.h"
#include "builder/solve/key.h"
#include "builder/solve/records.h"
#include "builder/solve/why.h"
#include "snapshotter/store/database.h"

namespace {

namespace solve = lazybuild::solve;
using lazybuild::store::Database;

constexpr std::size_t kInputBytesMax = 64 << 10;
constexpr const char* kText = "RUN make";
constexpr std::string_view kSecret = "hunter22";
constexpr std::array kColumns = {"key",    "layer",      "content_key", "base",
                                 "inputs", "definition", "files",       "input_names"};

/// One database for all inputs, where writing it costs no disk.
struct Store {
    Store() {
        std::string name =
            ::access("/dev/shm", W_OK) == 0 ? "/dev/shm/record-XXXXXX" : "/tmp/record-XXXXXX";
        ASSERT(::mkdtemp(name.data()) != nullptr);
        directory = name;
        auto opened = solve::Records::open(directory);
        ASSERT(opened);
        records = *std::move(opened);
        auto beside = Database::open(directory + "/build.db");
        ASSERT(beside);
        database = std::make_unique<Database>(*std::move(beside));
        auto name_of = database->prepare(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'step_records_%'");
        ASSERT(name_of && name_of->step());
        table = name_of->text(0);
    }
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    ~Store() {
        records.reset();
        database.reset();
        static_cast<void>(lazybuild::remove_tree(directory));
    }

    /// A whole record, of which the columns then say something else.
    void put(std::span<const std::string_view> values) const {
        ASSERT(database->execute("DELETE FROM " + table));
        ASSERT(records->add({.text = kText}));
        std::string assignments;
        for (std::size_t i = 0; i < kColumns.size(); ++i) {
            assignments += fmt::format("{}{} = ?{}", i == 0 ? "" : ", ", kColumns[i], i + 1);
        }
        auto update = database->prepare("UPDATE " + table + " SET " + assignments);
        ASSERT(update);
        for (std::size_t i = 0; i < kColumns.size(); ++i) {
            const bool null = values[i] == "-" && (i == 2 || i == 3);
            update->bind_optional(static_cast<int>(i + 1),
                                  null ? std::nullopt : std::optional(std::string(values[i])));
        }
        ASSERT(update->run());
    }

    std::string directory;
    std::string table;  ///< of this version
    std::unique_ptr<solve::Records> records;
    std::unique_ptr<Database> database;
};

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        lines.emplace_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return lines;
}

void read_twice(solve::Records& records, const solve::Record& record) {
    const auto found = records.find(record.key);
    ASSERT(found && *found && (*found)->layer == record.layer &&
           (*found)->definition == record.definition);
    ASSERT(records.remove(record.key));
    ASSERT(records.add(record));
    const auto again = records.similar(kText, 10);
    ASSERT(again && again->size() == 1);
    const solve::Record& same = again->front();
    ASSERT(same.key == record.key && same.layer == record.layer && same.inputs == record.inputs &&
           same.content_key == record.content_key && same.base == record.base &&
           same.input_names.size() <= solve::kRecordFilesMax &&
           same.definition == record.definition);
    std::vector<std::string> kept = record.files;
    kept.resize(std::min(kept.size(), solve::kRecordFilesMax));
    ASSERT(same.files == kept);
}

/// With a secret in its environment, which nothing that is told shows.
solve::Missed missed_step(std::string_view definition, std::string_view names) {
    solve::KeyText text(fmt::format("{}\nenv API_TOKEN={}\n", definition, kSecret));
    text.add("base", names.substr(0, 100));
    text.add("source 0", names.substr(0, 10));
    text.add("files", definition.substr(0, 10));
    return {.text = kText,
            .definition = text.text(),
            .files = lines_of(names),
            .input_names = lines_of(names),
            .blame = {{"base", std::string(names.substr(0, 50))}},
            .other_texts = lines_of(definition)};
}

/// As a record of the store, and as one that somebody's cache holds.
void tell(const solve::Missed& missed, const std::vector<solve::Record>& records) {
    std::vector<solve::ImportedRecord> candidates;
    for (const solve::Record& record : records) {
        candidates.push_back({.record = record, .cache = {}, .no_layer = {}});
        candidates.push_back({.record = record, .cache = "cache", .no_layer = "its layer is gone"});
    }
    for (const auto& why : {solve::why_not_cached(missed, candidates, {}),
                            solve::why_not_cached(missed, {}, candidates)}) {
        ASSERT(!why.text.empty() && !why.text.contains(kSecret));
        ASSERT(std::ranges::none_of(why.text, [](char byte) {
            return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f;
        }));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Store store;
    if (size > kInputBytesMax) {
        return 0;
    }
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    std::array<std::string_view, kColumns.size() + 2> parts;
    for (std::string_view& part : parts) {
        const std::size_t end = std::min(rest.find('\0'), rest.size());
        part = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    store.put(parts);
    const auto [definition, names] = std::pair(parts[kColumns.size()], parts.back());
    const auto all = store.records->all();
    const auto records = store.records->similar(kText, 10);
    ASSERT(all.has_value() == records.has_value());

    const solve::Missed missed = missed_step(definition, names);
    tell(missed, {{.definition = missed.definition}});
    if (!records) {
        ASSERT(!records.error().message.empty());
        return 0;
    }
    ASSERT(records->size() == 1);
    tell(missed, *records);
    read_twice(*store.records, records->front());
    return 0;
}
