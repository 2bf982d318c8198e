// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/store/layer_table.h"

#include <fmt/format.h>

#include <utility>

namespace lazybuild::store::layer_table {
namespace {

constexpr std::string_view kColumns =
    "id, blob_digest, toc_digest, blob_size_bytes, disk_size_bytes, state, diff_id_claimed,"
    " diff_id_verified, prefetch_end_bytes, created_at_ns";

std::int64_t number_of(LayerId id) {
    return static_cast<std::int64_t>(std::to_underlying(id));
}

Result<std::optional<codec::Digest>> optional_digest(const Statement& row, int column) {
    if (row.is_null(column)) {
        return std::nullopt;
    }
    TRY(const codec::Digest digest, codec::Digest::parse(row.text(column)));
    return digest;
}

Result<LayerRecord> read_row(const Statement& row) {
    LayerRecord layer;
    layer.id = LayerId{static_cast<std::uint64_t>(row.number(0))};
    TRY(layer.blob, codec::Digest::parse(row.text(1)));
    TRY(layer.toc, codec::Digest::parse(row.text(2)));
    layer.blob_size_bytes = static_cast<std::uint64_t>(row.number(3));
    layer.disk_size_bytes = static_cast<std::uint64_t>(row.number(4));
    const std::int64_t state = row.number(5);
    if (state < 0 || state > std::to_underlying(LayerState::quarantined)) {
        return fail(
            corrupt(fmt::format("layer {} has the unknown state {}", row.number(0), state)));
    }
    layer.state = static_cast<LayerState>(state);
    TRY(layer.diff_id_claimed, optional_digest(row, 6));
    TRY(layer.diff_id_verified, optional_digest(row, 7));
    if (!row.is_null(8)) {
        layer.prefetch_end_bytes = static_cast<std::uint64_t>(row.number(8));
    }
    layer.created_at_ns = row.number(9);
    return layer;
}

Result<std::optional<LayerRecord>> read_one(Statement& statement) {
    TRY(const bool row, statement.step());
    if (!row) {
        return std::nullopt;
    }
    TRY(LayerRecord layer, read_row(statement));
    return layer;
}

Error no_layer(LayerId id) {
    return Error{std::errc::no_such_file_or_directory,
                 fmt::format("layer {} does not exist", std::to_underlying(id))};
}

}  // namespace

Result<void> add_origin(Database& database, const codec::Digest& blob, const Origin& origin) {
    TRY(Statement statement, database.prepare("INSERT INTO origins(blob_digest, kind, host, path)"
                                              " VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING"));
    return statement.bind(1, blob.text())
        .bind(2, std::int64_t{std::to_underlying(origin.kind)})
        .bind(3, std::string_view{origin.host})
        .bind(4, std::string_view{origin.path})
        .run();
}

Result<std::vector<Origin>> origins(Database& database, const codec::Digest& blob) {
    TRY(Statement statement, database.prepare("SELECT kind, host, path FROM origins"
                                              " WHERE blob_digest = ?1 ORDER BY id"));
    statement.bind(1, blob.text());
    std::vector<Origin> found;
    while (true) {
        TRY(const bool row, statement.step());
        if (!row) {
            return found;
        }
        const std::int64_t kind = statement.number(0);
        if (kind < 0 || kind > std::to_underlying(Origin::Kind::file)) {
            continue;  // of a kind that this version cannot use: another origin may do
        }
        found.push_back({static_cast<Origin::Kind>(kind), statement.text(1), statement.text(2)});
    }
}

Result<LayerRecord> insert(Database& database, const NewLayer& layer, std::int64_t now_ns) {
    TRY(Statement statement,
        database.prepare("INSERT INTO layers(blob_digest, toc_digest, blob_size_bytes,"
                         " disk_size_bytes, diff_id_claimed, prefetch_end_bytes, created_at_ns,"
                         " state, diff_id_verified)"
                         " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"));
    std::optional<std::string> diff_id;
    if (layer.diff_id_claimed) {
        diff_id = layer.diff_id_claimed->text();
    }
    std::optional<std::string> verified;
    if (layer.diff_id_verified) {
        verified = layer.diff_id_verified->text();
    }
    const LayerState state = verified ? LayerState::complete : LayerState::filling;
    std::optional<std::int64_t> prefetch_end;
    if (layer.prefetch_end_bytes) {
        prefetch_end = static_cast<std::int64_t>(*layer.prefetch_end_bytes);
    }
    auto inserted = statement.bind(1, layer.blob.text())
                        .bind(2, layer.toc.text())
                        .bind(3, static_cast<std::int64_t>(layer.blob_size_bytes))
                        .bind(4, static_cast<std::int64_t>(layer.disk_size_bytes))
                        .bind_optional(5, diff_id)
                        .bind_optional(6, prefetch_end)
                        .bind(7, now_ns)
                        .bind(8, std::int64_t{std::to_underlying(state)})
                        .bind_optional(9, verified)
                        .run();
    if (!inserted && inserted.error().code == std::errc::file_exists) {
        return fail(
            Error{std::errc::file_exists, fmt::format("layer of blob {} and TOC {} exists already",
                                                      layer.blob.text(), layer.toc.text())});
    }
    CHECK_OK(inserted);
    LayerRecord record;
    static_cast<NewLayer&>(record) = layer;
    record.id = LayerId{static_cast<std::uint64_t>(database.last_insert_id())};
    record.state = state;
    record.created_at_ns = now_ns;
    return record;
}

Result<std::optional<LayerRecord>> find(Database& database, const codec::Digest& blob,
                                        const codec::Digest& toc) {
    TRY(Statement statement,
        database.prepare(fmt::format("SELECT {} FROM layers"
                                     " WHERE blob_digest = ?1 AND toc_digest = ?2",
                                     kColumns)));
    statement.bind(1, blob.text()).bind(2, toc.text());
    return read_one(statement);
}

Result<std::optional<LayerRecord>> get(Database& database, LayerId id) {
    TRY(Statement statement,
        database.prepare(fmt::format("SELECT {} FROM layers WHERE id = ?1", kColumns)));
    statement.bind(1, number_of(id));
    return read_one(statement);
}

Result<std::vector<LayerRecord>> all(Database& database) {
    TRY(Statement statement,
        database.prepare(fmt::format("SELECT {} FROM layers ORDER BY id", kColumns)));
    std::vector<LayerRecord> layers;
    while (true) {
        TRY(std::optional<LayerRecord> layer, read_one(statement));
        if (!layer) {
            return layers;
        }
        layers.push_back(*std::move(layer));
    }
}

Result<void> set_complete(Database& database, LayerId id, const codec::Digest& verified_diff_id) {
    TRY(const std::optional<LayerRecord> layer, get(database, id));
    if (!layer) {
        return fail(no_layer(id));
    }
    if (layer->state == LayerState::quarantined) {
        return fail(Error{std::errc::operation_not_permitted,
                          fmt::format("layer {} is quarantined", std::to_underlying(id))});
    }
    TRY(Statement statement,
        database.prepare("UPDATE layers SET state = ?2, diff_id_verified = ?3 WHERE id = ?1"));
    return statement.bind(1, number_of(id))
        .bind(2, std::int64_t{std::to_underlying(LayerState::complete)})
        .bind(3, verified_diff_id.text())
        .run();
}

Result<void> quarantine(Database& database, LayerId id) {
    TRY(Statement statement, database.prepare("UPDATE layers SET state = ?2 WHERE id = ?1"));
    CHECK_OK(statement.bind(1, number_of(id))
                 .bind(2, std::int64_t{std::to_underlying(LayerState::quarantined)})
                 .run());
    if (database.changes() == 0) {
        return fail(no_layer(id));
    }
    return {};
}

Result<bool> in_use(Database& database, LayerId id) {
    TRY(Statement statement, database.prepare("SELECT 1 FROM snapshots WHERE layer_id = ?1"));
    statement.bind(1, number_of(id));
    return statement.step();
}

Result<void> erase(Database& database, LayerId id) {
    TRY(const std::optional<LayerRecord> layer, get(database, id));
    if (!layer) {
        return {};
    }
    TRY(Statement statement, database.prepare("DELETE FROM layers WHERE id = ?1"));
    auto erased = statement.bind(1, number_of(id)).run();
    if (!erased && erased.error().code == std::errc::operation_not_permitted) {
        return fail(Error{std::errc::operation_not_permitted,
                          fmt::format("layer {} is used by a snapshot", std::to_underlying(id))});
    }
    CHECK_OK(erased);
    // The way to a blob's bytes belongs to the blob, and goes with the last layer that needs it.
    TRY(Statement origins,
        database.prepare("DELETE FROM origins WHERE blob_digest = ?1"
                         " AND NOT EXISTS(SELECT 1 FROM layers WHERE blob_digest = ?1)"));
    return origins.bind(1, layer->blob.text()).run();
}

}  // namespace lazybuild::store::layer_table
