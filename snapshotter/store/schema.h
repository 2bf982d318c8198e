// SPDX-License-Identifier: Apache-2.0
// The tables of meta.db, and what happens when the file is not a database of ours.
#pragma once

#include <cstdint>
#include <string>

#include "snapshotter/store/database.h"

namespace lazybuild::store {

/// Raised with every change of the tables; a database with a higher one is refused.
inline constexpr std::int64_t kSchemaVersion = 1;

struct OpenedDatabase {
    Database database;
    bool created = false;  ///< it has just been made, and is empty
};

/// Opens `path` and makes the tables when it is new. One that is torn or foreign is moved to
/// `path`.broken-<n>, with its -wal and -shm, and an empty one takes its place.
/// Errors: not_supported when a newer version of this program wrote it.
Result<OpenedDatabase> open_database(const std::string& path);

}  // namespace lazybuild::store
