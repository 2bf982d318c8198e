// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cache_contents.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "base/file.h"
#include "builder/cli/store_places.h"
#include "builder/exec/cache_mounts.h"
#include "builder/export/image_store.h"
#include "builder/files/fetched.h"
#include "builder/layers/disk_usage.h"
#include "codec/oci_manifest.h"
#include "snapshotter/store/database.h"

namespace lazybuild::cli {
namespace {

using Kind = CacheItem::Kind;

struct KindName {
    Kind kind;
    std::string_view name;
    std::string_view buildx_name;  ///< "" where buildx has nothing like it
};
constexpr std::array kKindNames = {
    KindName{Kind::layer, "layer", "regular"},
    KindName{Kind::blob, "blob", ""},
    KindName{Kind::lazy, "lazy", ""},
    KindName{Kind::record, "record", ""},
    KindName{Kind::git, "git", "source.git.checkout"},
    KindName{Kind::http, "http", ""},
    KindName{Kind::mount, "mount", "exec.cachemount"},
    KindName{Kind::index, "index", "source.local"},
    KindName{Kind::build, "build", ""},
    KindName{Kind::rest, "rest", ""},
};

/// Indexes in indexes: nobody needs more.
constexpr int kIndexDepthMax = 4;

// The blobs of an image that are here. A document that cannot be read needs nothing.
void add_needed(layers::LayerStore& store, const codec::Descriptor& document, int depth,
                std::set<codec::Digest>& needed) {
    needed.insert(document.digest);
    const auto path = store.blob_path(document.digest);
    if (!path || depth > kIndexDepthMax) {
        return;
    }
    const auto text = read_file(*path, codec::kJsonDocumentBytesMax);
    if (!text) {
        return;
    }
    if (const auto index = codec::Index::parse(as_bytes(*text), document.media_type);
        index && !index->manifests.empty()) {
        for (const codec::Descriptor& child : index->manifests) {
            add_needed(store, child, depth + 1, needed);
        }
        return;
    }
    if (const auto manifest = codec::Manifest::parse(as_bytes(*text), document.media_type)) {
        needed.insert(manifest->config.digest);
        for (const codec::Descriptor& layer : manifest->layers) {
            needed.insert(layer.digest);
        }
    }
}

Result<std::set<codec::Digest>> needed_blobs(layers::LayerStore& store) {
    TRY(auto images, exporter::ImageStore::open(store.root()));
    TRY(const auto kept, images.list());
    std::set<codec::Digest> needed;
    for (const exporter::StoredImage& image : kept) {
        add_needed(store, image.root, 0, needed);
    }
    return needed;
}

// The database, and SQLite's files beside it.
Result<std::vector<std::string>> index_files(const std::string& root) {
    TRY(const std::vector<std::string> names, layers::names_in(root));
    std::vector<std::string> files;
    for (const std::string& name : names) {
        const std::string path = root + "/" + name;
        if (path.starts_with(stat_index_path(root))) {
            files.push_back(path);
        }
    }
    return files;
}

// SQLite's files beside the database, which go when the last process closes it: if that is this
// one, they are not there for anybody else to see.
std::uint64_t passing_bytes(layers::LayerStore& store) {
    std::uint64_t size_bytes = 0;
    const auto alone = store.while_alone([&]() -> Result<void> {
        for (const std::string suffix : {"-wal", "-shm"}) {
            if (const auto use = layers::measure(store.root() + "/build.db" + suffix)) {
                size_bytes += use->size_bytes;
            }
        }
        return {};
    });
    return alone ? size_bytes : 0;
}

/// Collects the list.
class Contents {
  public:
    Contents(layers::LayerStore& store, solve::Records& records)
        : store_(store), records_(records) {}

    Result<std::vector<CacheItem>> list();

  private:
    Result<void> add_layers(const layers::Usage& usage);
    Result<void> add_blobs(const layers::Usage& usage);
    Result<void> add_fetched(Kind kind, const std::string& directory);
    Result<void> add_mounts();
    Result<void> add_index();
    void add_rest(std::uint64_t total_bytes);

    layers::LayerStore& store_;
    solve::Records& records_;
    std::vector<CacheItem> items_;
};

void add_record(CacheItem& item, const solve::Record& record) {
    item.keys.push_back(record.key);
    item.used_s = std::max(item.used_s, record.used_at_s);
    if (std::ranges::find(item.texts, record.text) == item.texts.end()) {
        item.texts.push_back(record.text);
    }
}

Result<void> Contents::add_layers(const layers::Usage& usage) {
    std::map<codec::Digest, std::size_t> places;  // in items_
    for (const layers::LayerUsage& layer : usage.layers) {
        places.emplace(layer.id, items_.size());
        items_.push_back({.kind = Kind::layer,
                          .name = layer.id.text(),
                          .size_bytes = layer.size_bytes,
                          .used_s = layer.used_s,
                          .in_use = layer.in_use});
    }
    TRY(const std::vector<solve::Record> known, records_.all());
    for (const solve::Record& record : known) {
        const auto place = places.find(record.layer);
        if (place != places.end()) {
            add_record(items_[place->second], record);
        } else {
            CacheItem& item =
                items_.emplace_back(CacheItem{.kind = Kind::record, .name = record.key.text()});
            add_record(item, record);
        }
    }
    return {};
}

Result<void> Contents::add_blobs(const layers::Usage& usage) {
    TRY(const std::set<codec::Digest> needed, needed_blobs(store_));
    for (const layers::BlobUsage& blob : usage.blobs) {
        items_.push_back({.kind = Kind::blob,
                          .name = blob.digest.text(),
                          .size_bytes = blob.size_bytes,
                          .used_s = blob.used_s,
                          .needed = needed.contains(blob.digest)});
    }
    return {};
}

Result<void> Contents::add_fetched(Kind kind, const std::string& directory) {
    TRY(const std::vector<files::FetchedUsage> fetched, files::fetched_usage(directory));
    for (const files::FetchedUsage& one : fetched) {
        items_.push_back(
            {.kind = kind, .name = one.name, .size_bytes = one.size_bytes, .used_s = one.used_s});
    }
    return {};
}

Result<void> Contents::add_mounts() {
    TRY(const std::vector<exec::CacheUsage> mounts, exec::cache_usage(store_.root()));
    for (const exec::CacheUsage& mount : mounts) {
        items_.push_back({.kind = Kind::mount,
                          .name = mount.name,
                          .size_bytes = mount.size_bytes,
                          .used_s = mount.used_s,
                          .in_use = mount.in_use,
                          .texts = {"RUN --mount=type=cache,id=" + mount.id}});
    }
    return {};
}

Result<void> Contents::add_index() {
    TRY(const std::vector<std::string> files, index_files(store_.root()));
    CacheItem item{.kind = Kind::index, .name = "stat-index.db"};
    for (const std::string& file : files) {
        if (const auto use = layers::measure(file)) {
            item.size_bytes += use->size_bytes;
            item.used_s = std::max(item.used_s, use->changed_s);
        }
    }
    if (!files.empty()) {
        items_.push_back(std::move(item));
    }
    return {};
}

void Contents::add_rest(std::uint64_t total_bytes) {
    std::uint64_t known_bytes = 0;
    for (const CacheItem& item : items_) {
        known_bytes += item.size_bytes;
    }
    CacheItem rest{.kind = Kind::rest, .name = "build.db"};
    rest.size_bytes = total_bytes - std::min(total_bytes, known_bytes);
    if (const auto database = layers::measure(store_.root() + "/build.db")) {
        rest.used_s = database->changed_s;
    }
    items_.push_back(std::move(rest));
}

Result<std::vector<CacheItem>> Contents::list() {
    TRY(const layers::Usage usage, store_.usage());
    CHECK_OK(add_layers(usage));
    CHECK_OK(add_blobs(usage));
    for (const layers::LazyUsage& lazy : usage.lazy) {
        items_.push_back({.kind = Kind::lazy,
                          .name = std::to_string(lazy.slot),
                          .size_bytes = lazy.size_bytes,
                          .used_s = lazy.used_s,
                          .in_use = lazy.in_use});
    }
    for (const layers::BuildUsage& build : usage.builds) {
        items_.push_back({.kind = Kind::build,
                          .name = build.name,
                          .size_bytes = build.size_bytes,
                          .used_s = build.used_s,
                          .in_use = build.in_use});
    }
    CHECK_OK(add_fetched(Kind::git, git_directory(store_.root())));
    CHECK_OK(add_fetched(Kind::http, http_directory(store_.root())));
    CHECK_OK(add_mounts());
    CHECK_OK(add_index());
    std::ranges::sort(items_, std::greater{}, &CacheItem::used_s);
    add_rest(usage.total_bytes - std::min(usage.total_bytes, passing_bytes(store_)));
    return std::move(items_);
}

Result<void> remove_index(const std::string& root) {
    TRY(const std::vector<std::string> files, index_files(root));
    for (const std::string& file : files) {
        CHECK_OK(remove_tree(file));
    }
    return {};
}

}  // namespace

Result<std::vector<CacheItem>> cache_contents(layers::LayerStore& store, solve::Records& records) {
    return Contents{store, records}.list();
}

std::string_view kind_name(Kind kind) {
    return std::ranges::find(kKindNames, kind, &KindName::kind)->name;
}

Result<Kind> parse_kind(const std::string& text) {
    std::string known;
    for (const KindName& name : kKindNames) {
        if (name.kind == Kind::rest) {
            continue;
        }
        if (text == name.name || (!text.empty() && text == name.buildx_name)) {
            return name.kind;
        }
        known += (known.empty() ? "" : ", ") + std::string(name.name);
    }
    return fail(invalid("\"" + text + "\" is nothing that a store holds: want one of " + known));
}

Result<void> remove_item(const CacheItem& item, layers::LayerStore& store,
                         solve::Records& records) {
    const std::string& root = store.root();
    switch (item.kind) {
        case Kind::layer: {
            TRY(const codec::Digest id, codec::Digest::parse(item.name));
            CHECK_OK(store.remove_layer(id));
            break;
        }
        case Kind::blob: {
            TRY(const codec::Digest digest, codec::Digest::parse(item.name));
            return store.remove_blob(digest);
        }
        case Kind::lazy: {
            unsigned slot = 0;
            std::from_chars(item.name.data(), item.name.data() + item.name.size(), slot);
            return store.remove_lazy(slot);
        }
        case Kind::git:
            return store.while_alone(
                [&] { return files::remove_fetched(git_directory(root), item.name); });
        case Kind::http:
            return store.while_alone(
                [&] { return files::remove_fetched(http_directory(root), item.name); });
        case Kind::mount: return exec::remove_cache(root, item.name);
        case Kind::index: return store.while_alone([&] { return remove_index(root); });
        case Kind::build: {
            CHECK_OK(store.build_directory());
            return {};
        }
        case Kind::record: break;
        case Kind::rest: return {};
    }
    for (const codec::Digest& key : item.keys) {
        CHECK_OK(records.remove(key));
    }
    return {};
}

Result<void> shrink_records(layers::LayerStore& store) {
    TRY(store::Database database, store::Database::open(store.root() + "/build.db"));
    TRY(const std::int64_t free_pages, database.number("PRAGMA freelist_count"));
    TRY(const std::int64_t pages, database.number("PRAGMA page_count"));
    if (free_pages * 4 < pages) {
        return {};
    }
    return store.while_alone(
        [&] { return database.execute("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)"); });
}

}  // namespace lazybuild::cli
