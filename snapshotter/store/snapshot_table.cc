// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/store/snapshot_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "snapshotter/store/labels.h"

namespace lazybuild::store::snapshot_table {
namespace {

constexpr std::string_view kSelect =
    "SELECT s.id, s.name, coalesce(p.name, ''), s.kind, s.labels, s.created_at_ns,"
    " s.updated_at_ns, s.size_bytes, s.inodes, s.layer_id"
    " FROM snapshots s LEFT JOIN snapshots p ON p.id = s.parent_id";

std::int64_t number_of(SnapshotId id) {
    return static_cast<std::int64_t>(std::to_underlying(id));
}
std::int64_t number_of(LayerId id) {
    return static_cast<std::int64_t>(std::to_underlying(id));
}
std::int64_t number_of(SnapshotKind kind) {
    return std::to_underlying(kind);
}

Result<SnapshotRecord> read_row(const Statement& row) {
    SnapshotRecord snapshot;
    snapshot.id = SnapshotId{static_cast<std::uint64_t>(row.number(0))};
    snapshot.name = row.text(1);
    snapshot.parent = row.text(2);
    const std::int64_t kind = row.number(3);
    if (kind < number_of(SnapshotKind::view) || kind > number_of(SnapshotKind::committed)) {
        return fail(
            corrupt(fmt::format("snapshot {} has the unknown kind {}", row.number(0), kind)));
    }
    snapshot.kind = static_cast<SnapshotKind>(kind);
    TRY(snapshot.labels, labels_from_json(row.text(4)));
    snapshot.created_at_ns = row.number(5);
    snapshot.updated_at_ns = row.number(6);
    snapshot.usage.size_bytes = static_cast<std::uint64_t>(row.number(7));
    snapshot.usage.inodes = static_cast<std::uint64_t>(row.number(8));
    if (!row.is_null(9)) {
        snapshot.layer = LayerId{static_cast<std::uint64_t>(row.number(9))};
    }
    return snapshot;
}

Result<std::optional<SnapshotRecord>> read_one(Statement& statement) {
    TRY(const bool row, statement.step());
    if (!row) {
        return std::nullopt;
    }
    TRY(SnapshotRecord snapshot, read_row(statement));
    return snapshot;
}

Error no_snapshot(std::string_view what, const std::string& name) {
    return Error{std::errc::no_such_file_or_directory,
                 fmt::format("{} {:?} does not exist", what, name)};
}

Error exists(const std::string& name) {
    return Error{std::errc::file_exists, fmt::format("snapshot {:?} already exists", name)};
}

/// As containerd keeps them: a label without a value is no label.
Labels without_empty(Labels labels) {
    std::erase_if(labels, [](const auto& label) { return label.second.empty(); });
    return labels;
}

/// The number of the committed snapshot `parent`, or none when it is empty.
Result<std::optional<std::int64_t>> parent_number(Database& database, const std::string& parent) {
    if (parent.empty()) {
        return std::nullopt;
    }
    TRY(const std::optional<SnapshotRecord> record, find(database, parent));
    if (!record) {
        return fail(no_snapshot("parent snapshot", parent));
    }
    if (record->kind != SnapshotKind::committed) {
        return fail(invalid(fmt::format("parent snapshot {:?} is not committed", parent)));
    }
    return number_of(record->id);
}

}  // namespace

Result<SnapshotRecord> create(Database& database, const NewSnapshot& snapshot,
                              std::int64_t now_ns) {
    ASSERT(snapshot.kind != SnapshotKind::committed);
    if (snapshot.key.empty()) {
        return fail(invalid("a snapshot's key must not be empty"));
    }
    TRY(const std::optional<std::int64_t> parent, parent_number(database, snapshot.parent));
    TRY(Statement statement,
        database.prepare("INSERT INTO snapshots(name, parent_id, kind, labels, created_at_ns,"
                         " updated_at_ns) VALUES(?1, ?2, ?3, ?4, ?5, ?5)"));
    auto inserted = statement.bind(1, std::string_view{snapshot.key})
                        .bind_optional(2, parent)
                        .bind(3, number_of(snapshot.kind))
                        .bind(4, labels_to_json(without_empty(snapshot.labels)))
                        .bind(5, now_ns)
                        .run();
    if (!inserted && inserted.error().code == std::errc::file_exists) {
        return fail(exists(snapshot.key));
    }
    CHECK_OK(inserted);
    return get(database, snapshot.key);
}

namespace {

/// The active snapshot that `commit` speaks of, if it may become what is wanted.
Result<SnapshotRecord> committable(Database& database, const Commit& commit) {
    if (commit.name.empty()) {
        return fail(invalid("a snapshot's name must not be empty"));
    }
    TRY(const std::optional<SnapshotRecord> taken, find(database, commit.name));
    if (taken) {
        return fail(exists(commit.name));
    }
    TRY(SnapshotRecord active, get(database, commit.key));
    if (active.kind != SnapshotKind::active) {
        return fail(Error{std::errc::operation_not_permitted,
                          fmt::format("snapshot {:?} is not active", commit.key)});
    }
    if (!commit.parent.empty() && !active.parent.empty() && commit.parent != active.parent) {
        return fail(
            invalid(fmt::format("cannot change the parent of snapshot {:?} from {:?} to {:?}",
                                commit.key, active.parent, commit.parent)));
    }
    return active;
}

/// The number of the parent that `active` shall have from now on.
Result<std::optional<std::int64_t>> parent_after_commit(Database& database, const Commit& commit,
                                                        const SnapshotRecord& active) {
    auto parent = parent_number(database, active.parent.empty() ? commit.parent : active.parent);
    if (!parent && parent.error().code == std::errc::invalid_argument) {
        // To containerd it is the state that is wrong here, not the request.
        return fail(Error{std::errc::operation_not_permitted, std::move(parent).error().message});
    }
    return parent;
}

}  // namespace

Result<SnapshotRecord> commit(Database& database, const Commit& commit, std::int64_t now_ns) {
    TRY(const SnapshotRecord active, committable(database, commit));
    TRY(const std::optional<std::int64_t> parent, parent_after_commit(database, commit, active));
    std::optional<std::int64_t> layer;
    if (commit.layer) {
        layer = number_of(*commit.layer);
    }
    TRY(Statement statement,
        database.prepare("UPDATE snapshots SET name = ?2, kind = ?3, labels = ?4,"
                         " created_at_ns = ?5, updated_at_ns = ?5, size_bytes = ?6, inodes = ?7,"
                         " layer_id = ?8, parent_id = ?9 WHERE id = ?1"));
    auto updated = statement.bind(1, number_of(active.id))
                       .bind(2, std::string_view{commit.name})
                       .bind(3, number_of(SnapshotKind::committed))
                       .bind(4, labels_to_json(without_empty(commit.labels)))
                       .bind(5, now_ns)
                       .bind(6, static_cast<std::int64_t>(commit.usage.size_bytes))
                       .bind(7, static_cast<std::int64_t>(commit.usage.inodes))
                       .bind_optional(8, layer)
                       .bind_optional(9, parent)
                       .run();
    if (!updated && updated.error().code == std::errc::operation_not_permitted) {
        return fail(no_snapshot("layer", std::to_string(layer.value_or(0))));
    }
    CHECK_OK(updated);
    return get(database, commit.name);
}

Result<void> set_layer(Database& database, SnapshotId id, LayerId layer) {
    TRY(Statement statement, database.prepare("UPDATE snapshots SET layer_id = ?2 WHERE id = ?1"
                                              " AND layer_id IS NOT NULL"));
    CHECK_OK(statement.bind(1, number_of(id)).bind(2, number_of(layer)).run());
    if (database.changes() == 0) {
        return fail(no_snapshot("remote snapshot", std::to_string(std::to_underlying(id))));
    }
    return {};
}

Result<SnapshotRecord> erase(Database& database, const std::string& name) {
    TRY(SnapshotRecord snapshot, get(database, name));
    TRY(Statement statement, database.prepare("DELETE FROM snapshots WHERE id = ?1"));
    auto erased = statement.bind(1, number_of(snapshot.id)).run();
    if (!erased && erased.error().code == std::errc::operation_not_permitted) {
        return fail(Error{std::errc::operation_not_permitted,
                          fmt::format("cannot remove snapshot with child: {:?}", name)});
    }
    CHECK_OK(erased);
    return snapshot;
}

Result<std::optional<SnapshotRecord>> find(Database& database, const std::string& name) {
    TRY(Statement statement, database.prepare(fmt::format("{} WHERE s.name = ?1", kSelect)));
    statement.bind(1, std::string_view{name});
    return read_one(statement);
}

Result<std::optional<SnapshotRecord>> find_remote(Database& database, const std::string& ref,
                                                  const std::string& parent) {
    TRY(Statement statement,
        database.prepare(fmt::format("{} WHERE s.layer_id IS NOT NULL AND s.kind = ?1"
                                     " AND coalesce(p.name, '') = ?2"
                                     " AND json_extract(s.labels, '$.\"{}\"') = ?3 LIMIT 1",
                                     kSelect, kSnapshotRefLabel)));
    statement.bind(1, number_of(SnapshotKind::committed))
        .bind(2, std::string_view{parent})
        .bind(3, std::string_view{ref});
    return read_one(statement);
}

Result<SnapshotRecord> get(Database& database, const std::string& name) {
    TRY(std::optional<SnapshotRecord> snapshot, find(database, name));
    if (!snapshot) {
        return fail(no_snapshot("snapshot", name));
    }
    return *std::move(snapshot);
}

Result<SnapshotRecord> set_labels(Database& database, const std::string& name, const Labels& labels,
                                  std::int64_t now_ns) {
    TRY(SnapshotRecord snapshot, get(database, name));
    // A clock that was set back must not make a change look older than the snapshot.
    snapshot.updated_at_ns = std::max(now_ns, snapshot.updated_at_ns);
    snapshot.labels = without_empty(labels);
    TRY(Statement statement,
        database.prepare("UPDATE snapshots SET labels = ?2, updated_at_ns = ?3 WHERE id = ?1"));
    CHECK_OK(statement.bind(1, number_of(snapshot.id))
                 .bind(2, labels_to_json(snapshot.labels))
                 .bind(3, snapshot.updated_at_ns)
                 .run());
    return snapshot;
}

Result<std::vector<SnapshotRecord>> all(Database& database) {
    TRY(Statement statement, database.prepare(fmt::format("{} ORDER BY s.id", kSelect)));
    std::vector<SnapshotRecord> snapshots;
    while (true) {
        TRY(std::optional<SnapshotRecord> snapshot, read_one(statement));
        if (!snapshot) {
            return snapshots;
        }
        snapshots.push_back(*std::move(snapshot));
    }
}

}  // namespace lazybuild::store::snapshot_table
