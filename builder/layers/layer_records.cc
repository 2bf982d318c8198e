// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/layer_records.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "codec/json.h"

namespace lazybuild::layers {
namespace {

/// Of the tables below; other rooms' have versions of their own.
constexpr std::int64_t kVersion = 1;
constexpr std::size_t kRowsMax = 10'000;  // for one layer or blob

constexpr const char* kTables = R"sql(
CREATE TABLE IF NOT EXISTS layer_version(version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS layer_blobs(
    layer TEXT NOT NULL,
    blob TEXT NOT NULL,
    descriptor TEXT NOT NULL,
    diff_id TEXT NOT NULL,
    compression INTEGER NOT NULL,
    level INTEGER NOT NULL,
    from_base INTEGER NOT NULL,
    PRIMARY KEY(layer, blob));
CREATE TABLE IF NOT EXISTS layer_origins(
    id INTEGER PRIMARY KEY,
    blob TEXT NOT NULL,
    kind INTEGER NOT NULL,
    host TEXT NOT NULL,
    path TEXT NOT NULL,
    UNIQUE(blob, kind, host, path));
CREATE TABLE IF NOT EXISTS layer_unpacked(
    layer TEXT PRIMARY KEY,
    diff_id TEXT NOT NULL,
    blob_bytes INTEGER NOT NULL);
INSERT INTO layer_version SELECT 1 WHERE NOT EXISTS (SELECT * FROM layer_version);
)sql";

Result<void> make_tables(store::Database& database) {
    TRY(const std::int64_t there,
        database.number("SELECT count(*) FROM sqlite_schema WHERE name = 'layer_version'"));
    if (there == 0) {
        TRY(store::Transaction transaction, store::Transaction::begin(database));
        CHECK_OK(database.execute(kTables));
        return transaction.commit();
    }
    TRY(const std::int64_t version, database.number("SELECT version FROM layer_version"));
    if (version > kVersion) {
        return fail(Error{.code = std::errc::not_supported,
                          .message = fmt::format("its layers are of version {}, this program knows "
                                                 "{}: use the newer program",
                                                 version, kVersion)});
    }
    return {};
}

Result<codec::Descriptor> parse_descriptor(const std::string& text) {
    TRY(const codec::JsonDocument document,
        codec::JsonDocument::parse(as_bytes(text), "build.db: a descriptor"));
    return codec::Descriptor::parse(document.root());
}

Result<LayerBlob> read_blob(const store::Statement& row) {
    LayerBlob blob;
    TRY(blob.descriptor, parse_descriptor(row.text(0)));
    TRY(blob.diff_id, codec::Digest::parse(row.text(1)));
    const std::int64_t compression = row.number(2);
    if (compression < 0 || compression > std::to_underlying(Compression::estargz)) {
        return fail(corrupt(fmt::format("build.db: the unknown compression {}", compression)));
    }
    blob.compression = static_cast<Compression>(compression);
    blob.level = static_cast<int>(row.number(3));
    blob.from_base = row.number(4) != 0;
    return blob;
}

}  // namespace

Result<std::unique_ptr<LayerRecords>> LayerRecords::open(const std::string& root) {
    const std::string path = root + "/build.db";
    TRY(store::Database database, store::Database::open(path));
    // What a power cut takes of these is found out again. An image needs them, and puts them on the
    // disk with itself: its own commit, of the same file, is a durable one.
    CHECK_OK(database.execute("PRAGMA synchronous=NORMAL"));
    if (auto made = make_tables(database); !made) {
        return fail(std::move(made).error().context(path));
    }
    return std::unique_ptr<LayerRecords>{new LayerRecords(std::move(database))};
}

Result<std::vector<LayerBlob>> LayerRecords::blobs(const codec::Digest& layer) {
    const std::lock_guard lock(mutex_);
    TRY(store::Statement statement,
        database_.prepare("SELECT descriptor, diff_id, compression, level, from_base"
                          " FROM layer_blobs WHERE layer = ?1 ORDER BY rowid"));
    statement.bind(1, layer.text());
    std::vector<LayerBlob> found;
    while (found.size() < kRowsMax) {
        TRY(const bool row, statement.step());
        if (!row) {
            break;
        }
        TRY(LayerBlob blob, read_blob(statement));
        found.push_back(std::move(blob));
    }
    return found;
}

Result<void> LayerRecords::insert_blob(const codec::Digest& layer, const LayerBlob& blob,
                                       std::string_view on_conflict) {
    TRY(store::Statement statement,
        database_.prepare(fmt::format(
            "INSERT INTO layer_blobs VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO {}",
            on_conflict)));
    return statement.bind(1, layer.text())
        .bind(2, blob.descriptor.digest.text())
        .bind(3, codec::json_text(blob.descriptor.json()))
        .bind(4, blob.diff_id.text())
        .bind(5, std::int64_t{std::to_underlying(blob.compression)})
        .bind(6, std::int64_t{blob.level})
        .bind(7, std::int64_t{blob.from_base})
        .run();
}

Result<void> LayerRecords::insert_origin(const codec::Digest& blob, const store::Origin& origin) {
    TRY(store::Statement statement,
        database_.prepare("INSERT INTO layer_origins(blob, kind, host, path)"
                          " VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING"));
    return statement.bind(1, blob.text())
        .bind(2, std::int64_t{std::to_underlying(origin.kind)})
        .bind(3, std::string_view{origin.host})
        .bind(4, std::string_view{origin.path})
        .run();
}

Result<void> LayerRecords::add_blob(const codec::Digest& layer, const LayerBlob& blob) {
    const std::lock_guard lock(mutex_);
    return insert_blob(layer, blob,
                       "UPDATE SET descriptor = ?3, diff_id = ?4, compression = ?5, level = ?6,"
                       " from_base = max(from_base, ?7)");
}

// In one transaction, which writes nothing when all is known: most builds begin with this.
Result<void> LayerRecords::add_base_blobs(const std::vector<BaseBlob>& blobs,
                                          const store::Origin& origin) {
    const std::lock_guard lock(mutex_);
    TRY(store::Transaction transaction, store::Transaction::begin(database_));
    for (const auto& [layer, blob] : blobs) {
        CHECK_OK(insert_blob(layer, blob, "NOTHING"));
        CHECK_OK(insert_origin(blob.descriptor.digest, origin));
    }
    return transaction.commit();
}

Result<std::vector<store::Origin>> LayerRecords::origins(const codec::Digest& blob) {
    const std::lock_guard lock(mutex_);
    TRY(store::Statement statement, database_.prepare("SELECT kind, host, path FROM layer_origins"
                                                      " WHERE blob = ?1 ORDER BY id"));
    statement.bind(1, blob.text());
    std::vector<store::Origin> found;
    while (found.size() < kRowsMax) {
        TRY(const bool row, statement.step());
        if (!row) {
            break;
        }
        const std::int64_t kind = statement.number(0);
        if (kind < 0 || kind > std::to_underlying(store::Origin::Kind::file)) {
            continue;  // of a kind that this version cannot use: another origin may do
        }
        found.push_back({.kind = static_cast<store::Origin::Kind>(kind),
                         .host = statement.text(1),
                         .path = statement.text(2)});
    }
    return found;
}

Result<void> LayerRecords::add_origin(const codec::Digest& blob, const store::Origin& origin) {
    const std::lock_guard lock(mutex_);
    return insert_origin(blob, origin);
}

Result<void> LayerRecords::add_origins(const std::vector<codec::Digest>& blobs,
                                       const store::Origin& origin) {
    const std::lock_guard lock(mutex_);
    TRY(store::Transaction transaction, store::Transaction::begin(database_));
    for (const codec::Digest& blob : blobs) {
        CHECK_OK(insert_origin(blob, origin));
    }
    return transaction.commit();
}

Result<std::optional<LayerRecords::Unpacked>> LayerRecords::unpacked(const codec::Digest& layer) {
    const std::lock_guard lock(mutex_);
    TRY(store::Statement statement,
        database_.prepare("SELECT diff_id, blob_bytes FROM layer_unpacked WHERE layer = ?1"));
    statement.bind(1, layer.text());
    TRY(const bool row, statement.step());
    if (!row) {
        return std::nullopt;
    }
    TRY(const codec::Digest diff_id, codec::Digest::parse(statement.text(0)));
    return Unpacked{.diff_id = diff_id,
                    .blob_bytes = static_cast<std::uint64_t>(statement.number(1))};
}

Result<void> LayerRecords::set_unpacked(const codec::Digest& layer, const Unpacked& unpacked) {
    const std::lock_guard lock(mutex_);
    TRY(store::Statement statement,
        database_.prepare("INSERT OR REPLACE INTO layer_unpacked VALUES(?1, ?2, ?3)"));
    return statement.bind(1, layer.text())
        .bind(2, unpacked.diff_id.text())
        .bind(3, static_cast<std::int64_t>(unpacked.blob_bytes))
        .run();
}

Result<void> LayerRecords::forget(const codec::Digest& layer) {
    const std::lock_guard lock(mutex_);
    TRY(store::Transaction transaction, store::Transaction::begin(database_));
    for (const char* table : {"layer_blobs", "layer_unpacked"}) {
        TRY(store::Statement statement,
            database_.prepare(fmt::format("DELETE FROM {} WHERE layer = ?1", table)));
        CHECK_OK(statement.bind(1, layer.text()).run());
    }
    return transaction.commit();
}

}  // namespace lazybuild::layers
