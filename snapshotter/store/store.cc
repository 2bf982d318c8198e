// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/store/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <set>
#include <utility>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "snapshotter/store/database.h"
#include "snapshotter/store/layer_table.h"
#include "snapshotter/store/schema.h"
#include "snapshotter/store/snapshot_table.h"

namespace lazybuild::store {
namespace {

constexpr std::uint64_t kLockFileBytesMax = 64;
constexpr int kBrokenDirectoriesMax = 1000;
// Others may pass through (overlayfs and containers do), but not list.
constexpr unsigned kRootMode = 0711;

std::int64_t now_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

Result<Fd> take_lock(const std::string& root) {
    const std::string path = root + "/lock";
    TRY(Fd lock, open_file(path, O_RDWR | O_CREAT, 0600));
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) {
            return fail(errno_error("lock " + path));
        }
        const std::string holder = read_file(path, kLockFileBytesMax).value_or("");
        return fail(Error{std::errc::device_or_resource_busy,
                          fmt::format("{} is served by another process (pid {})", root,
                                      holder.empty() ? "unknown" : holder)});
    }
    if (::ftruncate(lock.get(), 0) != 0) {
        return fail(errno_error("truncate " + path));
    }
    CHECK_OK(pwrite_all(lock.get(), as_bytes(std::to_string(::getpid())), 0));
    return lock;
}

Result<std::vector<std::string>> names_in(const std::string& directory) {
    const std::unique_ptr<DIR, int (*)(DIR*)> open{::opendir(directory.c_str()), ::closedir};
    if (open == nullptr) {
        return fail(errno_error("open " + directory));
    }
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(open.get())) {
        const std::string name = entry->d_name;
        if (name != "." && name != "..") {
            names.push_back(name);
        }
    }
    return names;
}

std::optional<std::uint64_t> as_number(const std::string& name) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc{} || end != name.data() + name.size() || number == 0) {
        return std::nullopt;
    }
    return number;
}

/// Numbers on disk are as used as numbers in the table, even when the table has forgotten them.
Result<void> skip_used_numbers(Database& database, const std::string& table,
                               const std::string& directory) {
    TRY(const std::vector<std::string> names, names_in(directory));
    std::uint64_t highest = 0;
    for (const std::string& name : names) {
        highest = std::max(highest, as_number(name).value_or(0));
    }
    TRY(Transaction transaction, Transaction::begin(database));
    CHECK_OK(database.execute(
        fmt::format("INSERT INTO sqlite_sequence(name, seq) SELECT '{0}', 0"
                    " WHERE NOT EXISTS(SELECT 1 FROM sqlite_sequence WHERE name = '{0}');"
                    "UPDATE sqlite_sequence SET seq = max(seq, {1}) WHERE name = '{0}';",
                    table, highest)));
    return transaction.commit();
}

Result<void> move_snapshots_aside(const std::string& directory) {
    TRY(const std::vector<std::string> names, names_in(directory));
    if (std::ranges::none_of(names, [](const auto& name) { return as_number(name).has_value(); })) {
        return {};
    }
    for (int number = 1; number <= kBrokenDirectoriesMax; ++number) {
        const std::string target = fmt::format("{}.broken-{}", directory, number);
        if (::access(target.c_str(), F_OK) == 0) {
            continue;
        }
        if (::rename(directory.c_str(), target.c_str()) != 0) {
            return fail(errno_error("rename " + directory));
        }
        log::warning("snapshots without a database: moved aside, remove them when not needed",
                     {{"path", directory}, {"moved_to", target}});
        return make_directories(directory, kRootMode);
    }
    return fail(over_limit(fmt::format("{}: {} broken ones lie beside it; remove some", directory,
                                       kBrokenDirectoriesMax)));
}

Result<std::string> stage(const std::string& directory) {
    std::string path = directory + "/new-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) {
        return fail(errno_error("mkdtemp " + path));
    }
    if (::chmod(path.c_str(), kRootMode) != 0) {
        const Error error = errno_error("chmod " + path);
        ::rmdir(path.c_str());
        return fail(error);
    }
    return path;
}

void remove_unknown_in(const std::string& directory, const std::vector<std::string>& names,
                       const std::set<std::string>& known) {
    for (const std::string& name : names) {
        const std::string path = fmt::format("{}/{}", directory, name);
        if (known.contains(name)) {
            continue;
        }
        if (auto removed = remove_tree(path); removed) {
            log::info("removed a directory without a record", {{"path", path}});
        } else {
            log::warning("a directory without a record could not be removed",
                         {{"path", path}, {"reason", removed.error().message}});
        }
    }
}

/// Puts `staged` in its place and makes the record last: both or neither. The record's transaction
/// is open; a directory whose COMMIT failed goes back to where it was.
Result<void> place_and_commit(Transaction transaction, const std::string& staged,
                              const std::string& parent, const std::string& target) {
    // Not ENOENT and its like: to callers those conditions speak of records.
    if (::rename(staged.c_str(), target.c_str()) != 0) {
        const Error error = errno_error("rename " + staged + " to " + target);
        return fail(Error{std::errc::io_error, error.message});
    }
    auto done = sync_directory(parent);
    if (done) {
        done = transaction.commit();
    }
    if (!done && ::rename(target.c_str(), staged.c_str()) != 0) {
        log::warning("a directory is left without a record", {{"path", target}});
    }
    return done;
}

}  // namespace

struct Store::Guarded {
    Guarded(Fd root_lock, Database opened)
        : lock(std::move(root_lock)), database(std::move(opened)) {}

    Fd lock;
    std::mutex mutex;
    Database database;
};

Store::Store(std::string root, std::unique_ptr<Guarded> guarded)
    : root_(std::move(root)), guarded_(std::move(guarded)) {}

Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const std::string& root) {
    if (!root.starts_with('/') || root.size() < 2) {
        return fail(invalid(fmt::format("the root must be an absolute path, not {:?}", root)));
    }
    CHECK_OK(make_directories(root, kRootMode));
    TRY(Fd lock, take_lock(root));
    // Not /disks, which may be the mount of a process that was killed, and fails whoever looks at
    // it.
    for (const char* name : {"/layers", "/snapshots"}) {
        CHECK_OK(make_directories(root + name, kRootMode));
    }
    TRY(OpenedDatabase opened, open_database(root + "/meta.db"));
    CHECK_OK(skip_used_numbers(opened.database, "layers", root + "/layers"));
    CHECK_OK(skip_used_numbers(opened.database, "snapshots", root + "/snapshots"));
    if (opened.created) {
        CHECK_OK(move_snapshots_aside(root + "/snapshots"));
    }
    auto guarded = std::make_unique<Guarded>(std::move(lock), std::move(opened.database));
    return std::unique_ptr<Store>{new Store(root, std::move(guarded))};
}

Result<void> Store::remove_unknown_directories() {
    TRY(const std::vector<LayerRecord> known_layers, layers());
    TRY(const std::vector<SnapshotRecord> known_snapshots, snapshots());
    std::set<std::string> layer_names;
    for (const LayerRecord& layer : known_layers) {
        layer_names.insert(std::to_string(std::to_underlying(layer.id)));
    }
    std::set<std::string> snapshot_names;
    for (const SnapshotRecord& snapshot : known_snapshots) {
        snapshot_names.insert(std::to_string(std::to_underlying(snapshot.id)));
    }
    TRY(const std::vector<std::string> layers_there, names_in(root_ + "/layers"));
    remove_unknown_in(root_ + "/layers", layers_there, layer_names);
    TRY(const std::vector<std::string> snapshots_there, names_in(root_ + "/snapshots"));
    remove_unknown_in(root_ + "/snapshots", snapshots_there, snapshot_names);
    return {};
}

std::string Store::layer_directory(LayerId id) const {
    return fmt::format("{}/layers/{}", root_, std::to_underlying(id));
}

std::string Store::snapshot_directory(SnapshotId id) const {
    return fmt::format("{}/snapshots/{}", root_, std::to_underlying(id));
}

std::string Store::disks_directory() const {
    return root_ + "/disks";
}

Result<void> Store::add_origin(const codec::Digest& blob, const Origin& origin) {
    const std::lock_guard held{guarded_->mutex};
    return layer_table::add_origin(guarded_->database, blob, origin);
}

Result<std::vector<Origin>> Store::origins(const codec::Digest& blob) const {
    const std::lock_guard held{guarded_->mutex};
    return layer_table::origins(guarded_->database, blob);
}

Result<std::string> Store::stage_layer() const {
    return stage(root_ + "/layers");
}

Result<LayerRecord> Store::insert_layer(const NewLayer& layer,
                                        const std::string& staged_directory) {
    const std::lock_guard held{guarded_->mutex};
    TRY(Transaction transaction, Transaction::begin(guarded_->database));
    TRY(LayerRecord record, layer_table::insert(guarded_->database, layer, now_ns()));
    CHECK_OK(place_and_commit(std::move(transaction), staged_directory, root_ + "/layers",
                              layer_directory(record.id)));
    return record;
}

Result<std::optional<LayerRecord>> Store::find_layer(const codec::Digest& blob,
                                                     const codec::Digest& toc) const {
    const std::lock_guard held{guarded_->mutex};
    return layer_table::find(guarded_->database, blob, toc);
}

Result<std::optional<LayerRecord>> Store::layer(LayerId id) const {
    const std::lock_guard held{guarded_->mutex};
    return layer_table::get(guarded_->database, id);
}

Result<std::vector<LayerRecord>> Store::layers() const {
    const std::lock_guard held{guarded_->mutex};
    return layer_table::all(guarded_->database);
}

Result<void> Store::set_layer_complete(LayerId id, const codec::Digest& verified_diff_id) {
    const std::lock_guard held{guarded_->mutex};
    TRY(Transaction transaction, Transaction::begin(guarded_->database));
    CHECK_OK(layer_table::set_complete(guarded_->database, id, verified_diff_id));
    return transaction.commit();
}

Result<void> Store::quarantine_layer(LayerId id) {
    const std::lock_guard held{guarded_->mutex};
    return layer_table::quarantine(guarded_->database, id);
}

Result<bool> Store::layer_in_use(LayerId id) const {
    const std::lock_guard held{guarded_->mutex};
    return layer_table::in_use(guarded_->database, id);
}

Result<void> Store::delete_layer(LayerId id) {
    {
        const std::lock_guard held{guarded_->mutex};
        TRY(Transaction transaction, Transaction::begin(guarded_->database));
        CHECK_OK(layer_table::erase(guarded_->database, id));
        CHECK_OK(transaction.commit());
    }
    return remove_tree(layer_directory(id));
}

Result<std::string> Store::stage_snapshot() const {
    return stage(root_ + "/snapshots");
}

Result<SnapshotRecord> Store::create_snapshot(SnapshotKind kind, const std::string& key,
                                              const std::string& parent, const Labels& labels,
                                              const std::string& staged_directory) {
    const std::lock_guard held{guarded_->mutex};
    TRY(Transaction transaction, Transaction::begin(guarded_->database));
    const snapshot_table::NewSnapshot snapshot{
        .kind = kind, .key = key, .parent = parent, .labels = labels};
    TRY(SnapshotRecord record, snapshot_table::create(guarded_->database, snapshot, now_ns()));
    CHECK_OK(place_and_commit(std::move(transaction), staged_directory, root_ + "/snapshots",
                              snapshot_directory(record.id)));
    return record;
}

Result<SnapshotRecord> Store::commit(const snapshot_table::Commit& wanted) {
    const std::lock_guard held{guarded_->mutex};
    TRY(Transaction transaction, Transaction::begin(guarded_->database));
    TRY(SnapshotRecord record, snapshot_table::commit(guarded_->database, wanted, now_ns()));
    CHECK_OK(transaction.commit());
    return record;
}

Result<SnapshotRecord> Store::commit_snapshot(const std::string& key, const std::string& name,
                                              const Labels& labels, Usage usage,
                                              const std::string& parent) {
    return commit({.key = key,
                   .name = name,
                   .parent = parent,
                   .labels = labels,
                   .usage = usage,
                   .layer = std::nullopt});
}

Result<SnapshotRecord> Store::commit_remote(const std::string& key, const std::string& name,
                                            const Labels& labels, LayerId layer) {
    return commit(
        {.key = key, .name = name, .parent = {}, .labels = labels, .usage = {}, .layer = layer});
}

Result<void> Store::set_snapshot_layer(SnapshotId id, LayerId layer) {
    const std::lock_guard held{guarded_->mutex};
    return snapshot_table::set_layer(guarded_->database, id, layer);
}

Result<std::optional<SnapshotRecord>> Store::find_remote(const std::string& ref,
                                                         const std::string& parent) const {
    const std::lock_guard held{guarded_->mutex};
    return snapshot_table::find_remote(guarded_->database, ref, parent);
}

Result<SnapshotRecord> Store::remove_snapshot(const std::string& name) {
    const std::lock_guard held{guarded_->mutex};
    TRY(Transaction transaction, Transaction::begin(guarded_->database));
    TRY(SnapshotRecord record, snapshot_table::erase(guarded_->database, name));
    CHECK_OK(transaction.commit());
    return record;
}

Result<SnapshotRecord> Store::stat_snapshot(const std::string& name) const {
    const std::lock_guard held{guarded_->mutex};
    return snapshot_table::get(guarded_->database, name);
}

Result<SnapshotRecord> Store::replace_labels(const std::string& name, const Labels& labels) {
    const std::lock_guard held{guarded_->mutex};
    TRY(Transaction transaction, Transaction::begin(guarded_->database));
    TRY(SnapshotRecord record,
        snapshot_table::set_labels(guarded_->database, name, labels, now_ns()));
    CHECK_OK(transaction.commit());
    return record;
}

Result<SnapshotRecord> Store::merge_labels(const std::string& name, const Labels& changes) {
    const std::lock_guard held{guarded_->mutex};
    TRY(Transaction transaction, Transaction::begin(guarded_->database));
    TRY(SnapshotRecord record, snapshot_table::get(guarded_->database, name));
    Labels labels = std::move(record.labels);
    for (const auto& [key, value] : changes) {
        if (value.empty()) {
            labels.erase(key);
        } else {
            labels.insert_or_assign(key, value);
        }
    }
    TRY(record, snapshot_table::set_labels(guarded_->database, name, labels, now_ns()));
    CHECK_OK(transaction.commit());
    return record;
}

Result<std::vector<SnapshotRecord>> Store::snapshots() const {
    const std::lock_guard held{guarded_->mutex};
    return snapshot_table::all(guarded_->database);
}

Result<std::vector<SnapshotRecord>> Store::chain(const std::string& name) const {
    const std::lock_guard held{guarded_->mutex};
    std::vector<SnapshotRecord> chain;
    // A committed name never changes its parent, so this walk ends; each step is one indexed row.
    for (std::string next = name; !next.empty(); next = chain.back().parent) {
        TRY(SnapshotRecord record, snapshot_table::get(guarded_->database, next));
        chain.push_back(std::move(record));
    }
    return chain;
}

}  // namespace lazybuild::store
