// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/records.h"

#include <fmt/format.h>

#include <chrono>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "snapshotter/store/database.h"

namespace lazybuild::solve {
namespace {

// The number is that of the columns: another shape is another table, and old records are misses.
constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS step_records_3(
    key TEXT PRIMARY KEY, layer TEXT NOT NULL, content_key TEXT, base TEXT, inputs TEXT NOT NULL,
    definition TEXT NOT NULL, text TEXT NOT NULL, files TEXT NOT NULL, input_names TEXT NOT NULL,
    created_at_s INTEGER NOT NULL, used_at_s INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS step_records_3_text ON step_records_3(text, used_at_s);
CREATE INDEX IF NOT EXISTS step_records_3_base ON step_records_3(base, used_at_s);)";

// In the order in which read_row takes them; those of kMoreColumns only where they are wanted.
constexpr const char* kColumns =
    "key, layer, definition, text, created_at_s, used_at_s, content_key, base";
constexpr const char* kMoreColumns = ", inputs, files, input_names";

// Order in which records are forgotten needs no better, and a rebuild without changes writes
// nothing.
constexpr std::int64_t kUsedResolutionS = 3600;

std::int64_t now_s() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

std::string join_lines(const std::vector<std::string>& lines, std::size_t count_max) {
    std::string text;
    for (std::size_t i = 0; i < lines.size() && i < count_max; ++i) {
        text += lines[i];
        text += '\n';
    }
    return text;
}

std::vector<std::string> split_lines(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        lines.emplace_back(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return lines;
}

Result<std::vector<codec::Digest>> parse_digests(std::string_view text) {
    std::vector<codec::Digest> digests;
    for (const std::string& line : split_lines(text)) {
        TRY(const codec::Digest digest, codec::Digest::parse(line));
        digests.push_back(digest);
    }
    return digests;
}

Result<std::optional<codec::Digest>> optional_digest(const store::Statement& row, int column) {
    if (row.is_null(column)) {
        return std::nullopt;
    }
    TRY(const codec::Digest digest, codec::Digest::parse(row.text(column)));
    return digest;
}

// Of kColumns.
Result<Record> read_row(const store::Statement& row) {
    Record record;
    TRY(record.key, codec::Digest::parse(row.text(0)));
    TRY(record.layer, codec::Digest::parse(row.text(1)));
    record.definition = row.text(2);
    record.text = row.text(3);
    record.created_at_s = row.number(4);
    record.used_at_s = row.number(5);
    TRY(record.content_key, optional_digest(row, 6));
    TRY(record.base, optional_digest(row, 7));
    return record;
}

// With inputs; `complete`: of kMoreColumns, too.
Result<std::vector<Record>> read_rows(store::Statement row, bool complete) {
    std::vector<Record> records;
    while (true) {
        TRY(const bool more, row.step());
        if (!more) {
            return records;
        }
        TRY(Record record, read_row(row));
        TRY(record.inputs, parse_digests(row.text(8)));
        if (complete) {
            record.files = split_lines(row.text(9));
            record.input_names = split_lines(row.text(10));
        }
        records.push_back(std::move(record));
    }
}

std::optional<std::string> text_of(const std::optional<codec::Digest>& digest) {
    return digest ? std::optional(digest->text()) : std::nullopt;
}

class DatabaseRecords final : public Records {
  public:
    explicit DatabaseRecords(store::Database database) : database_(std::move(database)) {}
    DatabaseRecords(const DatabaseRecords&) = delete;
    DatabaseRecords& operator=(const DatabaseRecords&) = delete;
    ~DatabaseRecords() override {
        if (const auto noted = note_used(); !noted) {
            log::warning("cannot note which cache records were used",
                         {{"error", noted.error().message}});
        }
    }

    Result<std::optional<Record>> find(const codec::Digest& key) override;
    Result<void> add(const Record& record) override;
    Result<std::vector<Record>> similar(const std::string& text, std::size_t count_max) override;
    Result<std::vector<Record>> children(const codec::Digest& base, std::size_t count_max) override;
    Result<std::vector<Record>> all() override;
    Result<void> remove(const codec::Digest& key) override;

  private:
    Result<void> note_used();

    std::mutex mutex_;  // guards all that follows
    store::Database database_;
    std::set<codec::Digest> used_;
};

Result<std::optional<Record>> DatabaseRecords::find(const codec::Digest& key) {
    const std::lock_guard lock(mutex_);
    TRY(store::Statement row,
        database_.prepare(fmt::format("SELECT {} FROM step_records_3 WHERE key = ?1", kColumns)));
    TRY(const bool found, row.bind(1, key.text()).step());
    if (!found) {
        return std::nullopt;
    }
    TRY(Record record, read_row(row));
    if (record.used_at_s + kUsedResolutionS < now_s()) {
        used_.insert(key);
    }
    return record;
}

Result<void> DatabaseRecords::add(const Record& record) {
    const std::lock_guard lock(mutex_);
    TRY(store::Statement insert,
        database_.prepare("INSERT OR REPLACE INTO step_records_3(key, layer, definition, text, "
                          "created_at_s, used_at_s, content_key, base, inputs, files, input_names) "
                          "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"));
    std::string inputs;
    for (const codec::Digest& input : record.inputs) {
        inputs += input.text() + '\n';
    }
    const std::int64_t now = now_s();
    return insert.bind(1, record.key.text())
        .bind(2, record.layer.text())
        .bind(3, record.definition)
        .bind(4, record.text)
        .bind(5, record.created_at_s != 0 ? record.created_at_s : now)
        .bind(6, record.used_at_s != 0 ? record.used_at_s : now)
        .bind_optional(7, text_of(record.content_key))
        .bind_optional(8, text_of(record.base))
        .bind(9, inputs)
        .bind(10, join_lines(record.files, kRecordFilesMax))
        .bind(11, join_lines(record.input_names, kRecordFilesMax))
        .run();
}

Result<std::vector<Record>> DatabaseRecords::similar(const std::string& text,
                                                     std::size_t count_max) {
    const std::lock_guard lock(mutex_);
    TRY(store::Statement row,
        database_.prepare(fmt::format("SELECT {}{} FROM step_records_3 WHERE text = ?1 "
                                      "ORDER BY used_at_s DESC, rowid DESC LIMIT ?2",
                                      kColumns, kMoreColumns)));
    row.bind(1, text).bind(2, static_cast<std::int64_t>(count_max));
    return read_rows(std::move(row), true);
}

Result<std::vector<Record>> DatabaseRecords::children(const codec::Digest& base,
                                                      std::size_t count_max) {
    const std::lock_guard lock(mutex_);
    TRY(store::Statement row,
        database_.prepare(fmt::format("SELECT {}{} FROM step_records_3 WHERE base = ?1 "
                                      "ORDER BY used_at_s DESC, rowid DESC LIMIT ?2",
                                      kColumns, kMoreColumns)));
    row.bind(1, base.text()).bind(2, static_cast<std::int64_t>(count_max));
    return read_rows(std::move(row), true);
}

Result<std::vector<Record>> DatabaseRecords::all() {
    const std::lock_guard lock(mutex_);
    TRY(store::Statement row, database_.prepare(fmt::format("SELECT {}, inputs FROM step_records_3 "
                                                            "ORDER BY used_at_s DESC, rowid DESC",
                                                            kColumns)));
    return read_rows(std::move(row), false);
}

Result<void> DatabaseRecords::remove(const codec::Digest& key) {
    const std::lock_guard lock(mutex_);
    used_.erase(key);
    TRY(store::Statement remove, database_.prepare("DELETE FROM step_records_3 WHERE key = ?1"));
    return remove.bind(1, key.text()).run();
}

Result<void> DatabaseRecords::note_used() {
    const std::lock_guard lock(mutex_);
    if (used_.empty()) {
        return {};
    }
    TRY(store::Transaction transaction, store::Transaction::begin(database_));
    const std::int64_t now = now_s();
    for (const codec::Digest& key : used_) {
        TRY(store::Statement update,
            database_.prepare("UPDATE step_records_3 SET used_at_s = ?1 WHERE key = ?2"));
        CHECK_OK(update.bind(1, now).bind(2, key.text()).run());
    }
    used_.clear();
    return transaction.commit();
}

}  // namespace

Result<std::unique_ptr<Records>> Records::open(const std::string& root) {
    CHECK_OK(make_directories(root, 0700));
    TRY(store::Database database, store::Database::open(root + "/build.db"));
    // A record that a power cut takes is a step that runs again; each step would wait for the disk.
    CHECK_OK(database.execute("PRAGMA synchronous=NORMAL"));
    CHECK_OK(database.execute(kSchema));
    return std::make_unique<DatabaseRecords>(std::move(database));
}

}  // namespace lazybuild::solve
