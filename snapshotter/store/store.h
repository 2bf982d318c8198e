// SPDX-License-Identifier: Apache-2.0
// The store: what survives a restart. Records in SQLite (WAL) at <root>/meta.db, and the
// directories that they name. Design section 5.
//
//   <root>/meta.db               records
//   <root>/lock                  held while a daemon serves this root
//   <root>/layers/<id>/          a layer's files (their formats belong to chunk_table.h,
//   presence.h) <root>/snapshots/<id>/       fs/ work/ <root>/disks/                where the FUSE
//   mount of the disks goes
//
// Directories are made under a temporary name (new-*) and renamed in the transaction that writes
// their record, so a crash leaves nothing half made; what has no record is removed at the next
// start, by remove_unknown_directories().
//
// Errors besides those named at each function: io_error and errno values from SQLite and the file
// system. The conditions mean: file_exists, no_such_file_or_directory (no such record),
// invalid_argument, operation_not_permitted (the record's state forbids it).
// Threads: any; one mutex, never held over anything slow.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "snapshotter/store/records.h"

namespace lazybuild::store {

namespace snapshot_table {
struct Commit;
}

class Store {
  public:
    /// Opens or makes the store in `root` (an absolute path), and takes its lock.
    /// A database that is torn, or not ours, is moved aside to meta.db.broken-<n> with a warning,
    /// and an empty one takes its place. Snapshot directories without a database may hold what a
    /// container wrote: they are moved to snapshots.broken-<n>, not removed.
    /// Errors: device_or_resource_busy when another process serves `root` (the message has its
    /// pid); not_supported when a newer version of this program wrote the database;
    /// invalid_argument when `root` is not absolute.
    static Result<std::unique_ptr<Store>> open(const std::string& root);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    /// For the start, after stale mounts below root() were unmounted and before anything is staged:
    /// removes the directories of layers and snapshots that no record names. What cannot be removed
    /// is logged and left.
    Result<void> remove_unknown_directories();

    // --- Paths. All absolute.
    const std::string& root() const { return root_; }
    std::string layer_directory(LayerId id) const;        ///< <root>/layers/<id>
    std::string snapshot_directory(SnapshotId id) const;  ///< <root>/snapshots/<id>
    std::string disks_directory() const;                  ///< <root>/disks

    // --- Origins of blobs.
    /// Knowing an origin twice is fine.
    Result<void> add_origin(const codec::Digest& blob, const Origin& origin);
    /// In the order in which they became known; empty when none is.
    Result<std::vector<Origin>> origins(const codec::Digest& blob) const;

    // --- Layers.
    /// A new empty directory <root>/layers/new-*, to be filled and given to insert_layer, or to be
    /// removed by the caller.
    Result<std::string> stage_layer() const;
    /// Makes the record and renames `staged_directory` to layer_directory(id), both or neither.
    /// The caller has fsynced the files in it, and still owns it after an Error.
    /// Errors: file_exists when (blob, toc) is known.
    Result<LayerRecord> insert_layer(const NewLayer& layer, const std::string& staged_directory);
    Result<std::optional<LayerRecord>> find_layer(const codec::Digest& blob,
                                                  const codec::Digest& toc) const;
    Result<std::optional<LayerRecord>> layer(LayerId id) const;
    Result<std::vector<LayerRecord>> layers() const;
    /// The whole blob is here and hashes to `verified_diff_id`. Errors: no_such_file_or_directory;
    /// operation_not_permitted when it is quarantined.
    Result<void> set_layer_complete(LayerId id, const codec::Digest& verified_diff_id);
    /// For good. Errors: no_such_file_or_directory.
    Result<void> quarantine_layer(LayerId id);
    /// True while a snapshot names it.
    Result<bool> layer_in_use(LayerId id) const;
    /// Removes the record (and its blob's origins with the blob's last layer), then the directory.
    /// Missing is fine. Errors: operation_not_permitted while a snapshot names it.
    Result<void> delete_layer(LayerId id);

    // --- Snapshots. Semantics of containerd's own metadata store (reference C.2); labels with an
    // empty value are dropped.
    /// A new empty directory <root>/snapshots/new-*; as stage_layer.
    Result<std::string> stage_snapshot() const;
    /// `kind` is active or view. Renames `staged_directory` to snapshot_directory(id).
    /// Errors: file_exists (key); no_such_file_or_directory (parent); invalid_argument (the parent
    /// is not committed, or key is empty).
    Result<SnapshotRecord> create_snapshot(SnapshotKind kind, const std::string& key,
                                           const std::string& parent, const Labels& labels,
                                           const std::string& staged_directory);
    /// The active snapshot `key` becomes the committed `name`; the id stays, the labels are
    /// replaced, created and updated are now. `parent`, when it is not empty, is the one that it
    /// has, or gets if it had none.
    /// Errors: file_exists (name); no_such_file_or_directory (key, parent); operation_not_permitted
    /// (not active; the parent is not committed); invalid_argument (it has another parent).
    Result<SnapshotRecord> commit_snapshot(const std::string& key, const std::string& name,
                                           const Labels& labels, Usage usage,
                                           const std::string& parent = "");
    /// As commit_snapshot, for a snapshot whose fs/ is the mount of `layer`.
    /// Errors: also no_such_file_or_directory when there is no such layer.
    Result<SnapshotRecord> commit_remote(const std::string& key, const std::string& name,
                                         const Labels& labels, LayerId layer);
    /// Another layer takes the place of the one that a remote snapshot was committed with.
    Result<void> set_snapshot_layer(SnapshotId id, LayerId layer);
    /// The committed remote snapshot with label kSnapshotRefLabel == `ref` over `parent`.
    Result<std::optional<SnapshotRecord>> find_remote(const std::string& ref,
                                                      const std::string& parent) const;
    /// Removes the record only: its directory is the caller's to unmount and remove (and is unknown
    /// to the next start if the caller dies first). Returns what it was.
    /// Errors: no_such_file_or_directory; operation_not_permitted ("cannot remove snapshot with
    /// child").
    Result<SnapshotRecord> remove_snapshot(const std::string& name);
    /// Errors: no_such_file_or_directory.
    Result<SnapshotRecord> stat_snapshot(const std::string& name) const;
    /// Replaces the labels; updated becomes now. Errors: no_such_file_or_directory.
    Result<SnapshotRecord> replace_labels(const std::string& name, const Labels& labels);
    /// As replace_labels, key by key in one transaction: an empty value deletes its key.
    Result<SnapshotRecord> merge_labels(const std::string& name, const Labels& changes);
    /// In order of id.
    Result<std::vector<SnapshotRecord>> snapshots() const;
    /// `name` and its ancestors, from top to bottom. Errors: no_such_file_or_directory.
    Result<std::vector<SnapshotRecord>> chain(const std::string& name) const;

  private:
    struct Guarded;
    Store(std::string root, std::unique_ptr<Guarded> guarded);
    Result<SnapshotRecord> commit(const snapshot_table::Commit& wanted);

    std::string root_;
    std::unique_ptr<Guarded> guarded_;
};

}  // namespace lazybuild::store
