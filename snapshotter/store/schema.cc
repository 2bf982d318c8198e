// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/store/schema.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "base/log.h"

namespace lazybuild::store {
namespace {

// In SQLite's header: says that the file is ours, so that nobody else's tables are touched.
constexpr std::int64_t kApplicationId = 0x4c5a424c;
constexpr int kBrokenDatabasesMax = 1000;

// AUTOINCREMENT: a number is never given twice, because a layer's is a FUSE inode and a snapshot's
// may still be a directory that somebody has mounted.
constexpr const char* kTables = R"sql(
CREATE TABLE layers(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    blob_digest TEXT NOT NULL,
    toc_digest TEXT NOT NULL,
    blob_size_bytes INTEGER NOT NULL,
    disk_size_bytes INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    diff_id_claimed TEXT,
    diff_id_verified TEXT,
    prefetch_end_bytes INTEGER,
    created_at_ns INTEGER NOT NULL,
    UNIQUE(blob_digest, toc_digest)) STRICT;
CREATE TABLE origins(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    blob_digest TEXT NOT NULL,
    kind INTEGER NOT NULL,
    host TEXT NOT NULL,
    path TEXT NOT NULL,
    UNIQUE(blob_digest, kind, host, path)) STRICT;
CREATE TABLE snapshots(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    parent_id INTEGER REFERENCES snapshots(id),
    kind INTEGER NOT NULL,
    labels TEXT NOT NULL,
    created_at_ns INTEGER NOT NULL,
    updated_at_ns INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL DEFAULT 0,
    inodes INTEGER NOT NULL DEFAULT 0,
    layer_id INTEGER REFERENCES layers(id)) STRICT;
CREATE INDEX snapshots_by_parent ON snapshots(parent_id);
CREATE INDEX snapshots_by_layer ON snapshots(layer_id) WHERE layer_id IS NOT NULL;
)sql";

Result<void> check_whole(Database& database) {
    TRY(Statement statement, database.prepare("PRAGMA integrity_check(1)"));
    TRY(const bool row, statement.step());
    if (!row || statement.text(0) != "ok") {
        return fail(corrupt(row ? statement.text(0) : "integrity_check gave no answer"));
    }
    return {};
}

Result<OpenedDatabase> open_and_check(const std::string& path) {
    TRY(Database database, Database::open(path));
    CHECK_OK(check_whole(database));
    TRY(const std::int64_t application, database.number("PRAGMA application_id"));
    TRY(const std::int64_t version, database.number("PRAGMA user_version"));
    TRY(const std::int64_t tables, database.number("SELECT count(*) FROM sqlite_schema"));
    if (application == kApplicationId && version > kSchemaVersion) {
        return fail(Error{std::errc::not_supported,
                          fmt::format("{}: written by a newer version of this program (schema {}, "
                                      "this one knows {}): use that version, or another root",
                                      path, version, kSchemaVersion)});
    }
    if (application == kApplicationId && version == kSchemaVersion) {
        return OpenedDatabase{.database = std::move(database), .created = false};
    }
    if (application != 0 || version != 0 || tables != 0) {
        return fail(
            corrupt(fmt::format("not a database of this program (application {:#x}, "
                                "schema {})",
                                application, version)));
    }
    TRY(Transaction transaction, Transaction::begin(database));
    CHECK_OK(database.execute(kTables));
    CHECK_OK(database.execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {};",
                                          kApplicationId, kSchemaVersion)));
    CHECK_OK(transaction.commit());
    return OpenedDatabase{.database = std::move(database), .created = true};
}

Result<std::string> move_aside(const std::string& path) {
    for (int number = 1; number <= kBrokenDatabasesMax; ++number) {
        const std::string target = fmt::format("{}.broken-{}", path, number);
        if (::access(target.c_str(), F_OK) == 0) {
            continue;
        }
        for (const char* suffix : {"-wal", "-shm", ""}) {
            if (::rename((path + suffix).c_str(), (target + suffix).c_str()) != 0 &&
                errno != ENOENT) {
                return fail(errno_error("rename " + path + suffix));
            }
        }
        return target;
    }
    return fail(over_limit(fmt::format("{}: {} broken databases lie beside it; remove some", path,
                                       kBrokenDatabasesMax)));
}

}  // namespace

Result<OpenedDatabase> open_database(const std::string& path) {
    auto opened = open_and_check(path);
    if (opened || opened.error().code != std::errc::bad_message) {
        return opened;
    }
    TRY(const std::string target, move_aside(path));
    log::warning("the metadata database is unusable: moved aside, starting with an empty one",
                 {{"path", path}, {"moved_to", target}, {"reason", opened.error().message}});
    return open_and_check(path);
}

}  // namespace lazybuild::store
