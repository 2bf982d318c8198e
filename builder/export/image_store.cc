// SPDX-License-Identifier: Apache-2.0
#include "builder/export/image_store.h"

#include <chrono>
#include <utility>

#include "codec/json.h"

namespace lazybuild::exporter {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS images ("
    "  name TEXT PRIMARY KEY,"
    "  media_type TEXT NOT NULL,"
    "  digest TEXT NOT NULL,"
    "  size INTEGER NOT NULL,"
    "  kept_s INTEGER NOT NULL) WITHOUT ROWID";

Result<StoredImage> read_row(const store::Statement& row) {
    StoredImage image;
    image.name = row.text(0);
    image.root.media_type = row.text(1);
    TRY(image.root.digest, codec::Digest::parse(row.text(2)));
    image.root.size_bytes = static_cast<std::uint64_t>(row.number(3));
    image.kept_s = row.number(4);
    return image;
}

std::int64_t now_s() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

}  // namespace

Result<ImageStore> ImageStore::open(const std::string& root) {
    auto database = store::Database::open(root + "/build.db");
    if (!database) {
        return fail(std::move(database).error().context(root + "/build.db"));
    }
    CHECK_OK(database->execute(kSchema));
    return ImageStore{*std::move(database)};
}

Result<void> ImageStore::put(const std::string& name, const codec::Descriptor& image) {
    TRY(const std::optional<StoredImage> before, find(name));
    if (before && before->root.digest == image.digest) {
        return {};  // a build that changed nothing waits for no disk
    }
    TRY(store::Statement statement,
        database_.prepare("INSERT OR REPLACE INTO images (name, media_type, digest, size, kept_s) "
                          "VALUES (?, ?, ?, ?, ?)"));
    statement.bind(1, name)
        .bind(2, image.media_type)
        .bind(3, image.digest.text())
        .bind(4, static_cast<std::int64_t>(image.size_bytes))
        .bind(5, now_s());
    return statement.run();
}

Result<std::optional<StoredImage>> ImageStore::find(const std::string& name) {
    TRY(store::Statement statement,
        database_.prepare(
            "SELECT name, media_type, digest, size, kept_s FROM images WHERE name = ?"));
    statement.bind(1, name);
    TRY(const bool found, statement.step());
    if (!found) {
        return std::nullopt;
    }
    TRY(StoredImage image, read_row(statement));
    return std::optional{std::move(image)};
}

Result<std::vector<StoredImage>> ImageStore::list() {
    TRY(store::Statement statement,
        database_.prepare(
            "SELECT name, media_type, digest, size, kept_s FROM images ORDER BY name"));
    std::vector<StoredImage> images;
    while (true) {
        TRY(const bool row, statement.step());
        if (!row) {
            return images;
        }
        TRY(StoredImage image, read_row(statement));
        images.push_back(std::move(image));
    }
}

Result<bool> ImageStore::remove(const std::string& name) {
    TRY(store::Statement statement, database_.prepare("DELETE FROM images WHERE name = ?"));
    statement.bind(1, name);
    CHECK_OK(statement.run());
    return database_.changes() > 0;
}

}  // namespace lazybuild::exporter
