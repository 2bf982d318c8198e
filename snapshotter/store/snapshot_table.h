// SPDX-License-Identifier: Apache-2.0
// The table `snapshots`, with the semantics of containerd's own metadata store (reference C.2) and
// its words in the errors; labels with an empty value are dropped. Without locks and without files:
// callers hold the store's mutex, and a Transaction around whatever changes something.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "snapshotter/store/database.h"
#include "snapshotter/store/records.h"

namespace lazybuild::store::snapshot_table {

struct NewSnapshot {
    SnapshotKind kind = SnapshotKind::active;  ///< active or view
    std::string key;
    std::string parent;  ///< empty for none
    Labels labels;
};

/// Errors: file_exists (key), no_such_file_or_directory (parent), invalid_argument (the parent is
/// not committed; the key is empty).
Result<SnapshotRecord> create(Database& database, const NewSnapshot& snapshot, std::int64_t now_ns);

struct Commit {
    std::string key;
    std::string name;
    std::string parent;  ///< empty: the one that it has; else that one, or the first that it gets
    Labels labels;
    Usage usage;
    std::optional<LayerId> layer;  ///< set for a remote snapshot
};

/// Errors: file_exists (name), no_such_file_or_directory (key, parent or layer),
/// operation_not_permitted (not active, or the parent is not committed), invalid_argument (empty
/// name, or another parent than it has).
Result<SnapshotRecord> commit(Database& database, const Commit& commit, std::int64_t now_ns);

Result<void> set_layer(Database& database, SnapshotId id, LayerId layer);

/// Errors: no_such_file_or_directory, operation_not_permitted (it has children).
Result<SnapshotRecord> erase(Database& database, const std::string& name);

Result<std::optional<SnapshotRecord>> find(Database& database, const std::string& name);
Result<std::optional<SnapshotRecord>> find_remote(Database& database, const std::string& ref,
                                                  const std::string& parent);
/// As find, but not there is an Error: no_such_file_or_directory.
Result<SnapshotRecord> get(Database& database, const std::string& name);
Result<SnapshotRecord> set_labels(Database& database, const std::string& name, const Labels& labels,
                                  std::int64_t now_ns);
Result<std::vector<SnapshotRecord>> all(Database& database);

}  // namespace lazybuild::store::snapshot_table
