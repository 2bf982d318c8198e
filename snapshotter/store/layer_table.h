// SPDX-License-Identifier: Apache-2.0
// The tables `layers` and `origins`: one function per question, without locks and without files.
// Callers hold the store's mutex, and a Transaction where they ask more than one thing.
#pragma once

#include <optional>
#include <vector>

#include "base/result.h"
#include "snapshotter/store/database.h"
#include "snapshotter/store/records.h"

namespace lazybuild::store::layer_table {

Result<void> add_origin(Database& database, const codec::Digest& blob, const Origin& origin);
Result<std::vector<Origin>> origins(Database& database, const codec::Digest& blob);

/// Errors: file_exists when (blob, toc) is known.
Result<LayerRecord> insert(Database& database, const NewLayer& layer, std::int64_t now_ns);
Result<std::optional<LayerRecord>> find(Database& database, const codec::Digest& blob,
                                        const codec::Digest& toc);
Result<std::optional<LayerRecord>> get(Database& database, LayerId id);
Result<std::vector<LayerRecord>> all(Database& database);
Result<void> set_complete(Database& database, LayerId id, const codec::Digest& verified_diff_id);
Result<void> quarantine(Database& database, LayerId id);
Result<bool> in_use(Database& database, LayerId id);
/// Errors: operation_not_permitted while a snapshot names it.
Result<void> erase(Database& database, LayerId id);

}  // namespace lazybuild::store::layer_table
