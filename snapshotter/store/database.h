// SPDX-License-Identifier: Apache-2.0
// SQLite behind Result: a connection, prepared statements and transactions. The only file of the
// project that includes sqlite3.h is database.cc.
//
// Errors: bad_message (torn, or no database at all), file_exists (UNIQUE), operation_not_permitted
// (FOREIGN KEY), device_or_resource_busy, no_space_on_device, else io_error.
// Threads: one at a time per Database and its statements; the owner locks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace lazybuild::store {

/// One prepared statement. Bind all parameters (counted from 1), then step. Must not outlive its
/// Database.
class Statement {
  public:
    /// Copies `text`.
    Statement& bind(int index, std::string_view text);
    Statement& bind(int index, std::int64_t number);
    /// NULL for none.
    Statement& bind_optional(int index, std::optional<std::int64_t> number);
    Statement& bind_optional(int index, const std::optional<std::string>& text);

    /// True when a row is there to be read, false at the end. An Error of a bind comes out here.
    Result<bool> step();
    /// For statements that return no row.
    Result<void> run();
    /// Makes it ready to be bound and run once more.
    void reset();

    /// Columns of the current row, counted from 0.
    bool is_null(int column) const;
    std::int64_t number(int column) const;
    std::string text(int column) const;

  private:
    friend class Database;
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };
    explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

    void remember(int code);

    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
    int bind_code_ = 0;
};

class Database {
  public:
    /// Opens or creates `path` with WAL, full durability, foreign keys and a busy timeout.
    static Result<Database> open(const std::string& path);

    /// `sql` is one statement and outlives nothing.
    Result<Statement> prepare(std::string_view sql);
    /// Any number of statements without parameters and rows.
    Result<void> execute(const std::string& sql);
    /// The first column of the first row, a number.
    Result<std::int64_t> number(std::string_view sql);

    std::int64_t last_insert_id() const;
    /// Rows changed by the last INSERT, UPDATE or DELETE.
    std::int64_t changes() const;

  private:
    struct Close {
        void operator()(sqlite3* connection) const;
    };
    explicit Database(sqlite3* connection) : connection_(connection) {}

    std::unique_ptr<sqlite3, Close> connection_;
};

/// All or nothing: rolled back unless committed.
class Transaction {
  public:
    /// Takes the write lock at once. `database` outlives it.
    static Result<Transaction> begin(Database& database);
    Transaction(Transaction&& other) noexcept
        : database_(std::exchange(other.database_, nullptr)) {}
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();
    Result<void> commit();

  private:
    explicit Transaction(Database& database) : database_(&database) {}
    Database* database_;
};

}  // namespace lazybuild::store
