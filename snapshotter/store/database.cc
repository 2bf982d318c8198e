// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/store/database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <chrono>
#include <thread>
#include <utility>

#include "base/assert.h"
#include "base/log.h"

namespace lazybuild::store {
namespace {

constexpr int kBusyTimeoutMs = 10'000;

std::errc condition_of(int extended_code) {
    switch (extended_code) {
        case SQLITE_CONSTRAINT_UNIQUE:
        case SQLITE_CONSTRAINT_PRIMARYKEY: return std::errc::file_exists;
        case SQLITE_CONSTRAINT_FOREIGNKEY: return std::errc::operation_not_permitted;
        default: break;
    }
    switch (extended_code & 0xff) {
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB: return std::errc::bad_message;
        case SQLITE_BUSY:
        case SQLITE_LOCKED: return std::errc::device_or_resource_busy;
        case SQLITE_FULL: return std::errc::no_space_on_device;
        default: return std::errc::io_error;
    }
}

Error sqlite_error(sqlite3* connection, std::string_view what) {
    const int code = sqlite3_extended_errcode(connection);
    return Error{condition_of(code), fmt::format("{}: {}", what, sqlite3_errmsg(connection))};
}

/// SQLite does not wait with its busy timeout for the lock that this change of a new database
/// needs: of several processes that open it first, all but one are told that it is locked.
Result<void> enter_wal(Database& database) {
    constexpr std::chrono::milliseconds kPause{5};
    for (int waited_ms = 0;; waited_ms += static_cast<int>(kPause.count())) {
        auto entered = database.execute("PRAGMA journal_mode = WAL;");
        if (entered || entered.error().code != std::errc::device_or_resource_busy ||
            waited_ms >= kBusyTimeoutMs) {
            return entered;
        }
        std::this_thread::sleep_for(kPause);
    }
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

void Statement::remember(int code) {
    if (bind_code_ == SQLITE_OK) {
        bind_code_ = code;
    }
}

Statement& Statement::bind(int index, std::string_view text) {
    // An empty string_view may have no address, which SQLite would take for NULL.
    remember(sqlite3_bind_text64(statement_.get(), index, text.empty() ? "" : text.data(),
                                 text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
    return *this;
}

Statement& Statement::bind(int index, std::int64_t number) {
    remember(sqlite3_bind_int64(statement_.get(), index, number));
    return *this;
}

Statement& Statement::bind_optional(int index, std::optional<std::int64_t> number) {
    if (number) {
        return bind(index, *number);
    }
    remember(sqlite3_bind_null(statement_.get(), index));
    return *this;
}

Statement& Statement::bind_optional(int index, const std::optional<std::string>& text) {
    if (text) {
        return bind(index, std::string_view{*text});
    }
    remember(sqlite3_bind_null(statement_.get(), index));
    return *this;
}

Result<bool> Statement::step() {
    sqlite3* connection = sqlite3_db_handle(statement_.get());
    if (bind_code_ != SQLITE_OK) {
        return fail(Error{
            std::errc::io_error,
            fmt::format("bind {}: {}", sqlite3_sql(statement_.get()), sqlite3_errstr(bind_code_))});
    }
    switch (sqlite3_step(statement_.get())) {
        case SQLITE_ROW: return true;
        case SQLITE_DONE: return false;
        default: return fail(sqlite_error(connection, sqlite3_sql(statement_.get())));
    }
}

Result<void> Statement::run() {
    TRY(const bool row, step());
    ASSERT(!row);
    return {};
}

void Statement::reset() {
    sqlite3_reset(statement_.get());  // what it returns is the failure of the run before
    bind_code_ = SQLITE_OK;
}

bool Statement::is_null(int column) const {
    return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

std::int64_t Statement::number(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::text(int column) const {
    const auto* bytes =
        reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
    const int size = sqlite3_column_bytes(statement_.get(), column);
    return bytes == nullptr ? std::string{} : std::string(bytes, static_cast<std::size_t>(size));
}

void Database::Close::operator()(sqlite3* connection) const {
    sqlite3_close_v2(connection);
}

Result<Database> Database::open(const std::string& path) {
    sqlite3* connection = nullptr;
    const int code = sqlite3_open_v2(
        path.c_str(), &connection,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
        nullptr);
    Database database{connection};
    if (code != SQLITE_OK) {
        return fail(connection == nullptr ? Error{std::errc::not_enough_memory, "sqlite3_open"}
                                          : sqlite_error(connection, "open " + path));
    }
    sqlite3_busy_timeout(connection, kBusyTimeoutMs);
    // FULL: what containerd was told must survive a power cut, because its own database does.
    auto configured = enter_wal(database);
    if (configured) {
        configured = database.execute(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;");
    }
    if (!configured) {
        return fail(std::move(configured).error().context(path));
    }
    return database;
}

Result<Statement> Database::prepare(std::string_view sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(connection_.get(), sql.data(), static_cast<int>(sql.size()), &statement,
                           nullptr) != SQLITE_OK) {
        return fail(sqlite_error(connection_.get(), sql));
    }
    return Statement{statement};
}

Result<void> Database::execute(const std::string& sql) {
    if (sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
        return fail(sqlite_error(connection_.get(), sql));
    }
    return {};
}

Result<std::int64_t> Database::number(std::string_view sql) {
    TRY(Statement statement, prepare(sql));
    TRY(const bool row, statement.step());
    if (!row) {
        return fail(corrupt(fmt::format("{}: no row", sql)));
    }
    return statement.number(0);
}

std::int64_t Database::last_insert_id() const {
    return sqlite3_last_insert_rowid(connection_.get());
}

std::int64_t Database::changes() const {
    return sqlite3_changes64(connection_.get());
}

Result<Transaction> Transaction::begin(Database& database) {
    CHECK_OK(database.execute("BEGIN IMMEDIATE"));
    return Transaction{database};
}

Transaction::~Transaction() {
    if (database_ == nullptr) {
        return;
    }
    if (auto rolled_back = database_->execute("ROLLBACK"); !rolled_back) {
        // SQLite has rolled back by itself after a failed COMMIT: nothing is left to undo.
        log::debug("no transaction to roll back", {{"reason", rolled_back.error().message}});
    }
}

Result<void> Transaction::commit() {
    ASSERT(database_ != nullptr);
    CHECK_OK(database_->execute("COMMIT"));
    database_ = nullptr;
    return {};
}

}  // namespace lazybuild::store
