// SPDX-License-Identifier: Apache-2.0
// What the store keeps, as plain values: layers, the origins of their blobs, and snapshots.
//
// A layer is an index over a blob; its number is also its disk's number on the FUSE mount and the
// name of its directory, and is never used again, whatever is deleted. A snapshot is what
// containerd knows: a directory of ours with a name, a parent and labels; a *remote* snapshot is a
// committed one whose fs/ is a lazy layer's mount.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "codec/digest.h"

namespace lazybuild::store {

/// Numbers of layers and of snapshots are counted from 1, separately; they must not be mixed.
enum class LayerId : std::uint64_t {};
enum class SnapshotId : std::uint64_t {};

enum class LayerState : std::uint8_t {
    filling,      ///< served; bytes may still have to be fetched
    complete,     ///< every byte is here and the diffID has been verified
    quarantined,  ///< its content is not what was claimed: must not be served
};

/// What is known of a layer when its index has been made.
struct NewLayer {
    codec::Digest blob;
    codec::Digest toc;  ///< zeros: it has none, and was unpacked whole
    std::uint64_t blob_size_bytes = 0;
    std::uint64_t disk_size_bytes = 0;                ///< size of its disk file (payload addresses)
    std::optional<codec::Digest> diff_id_claimed;     ///< by the image's config or labels: a claim
    std::optional<std::uint64_t> prefetch_end_bytes;  ///< end of the prioritised range in the blob
    /// Hashed by us from the whole blob. Set: the layer is complete from the beginning.
    std::optional<codec::Digest> diff_id_verified;
};

struct LayerRecord : NewLayer {
    LayerId id{};
    LayerState state = LayerState::filling;
    std::int64_t created_at_ns = 0;  ///< since 1970, UTC
};

/// Where a blob can be had again, at any time, by any process. Never holds credentials.
struct Origin {
    enum class Kind : std::uint8_t { registry, oci_layout, file };
    Kind kind = Kind::registry;
    std::string host;  ///< registry only: "registry:5000" as written, no scheme
    std::string path;  ///< registry: repository name; else the layout directory or the file

    bool operator==(const Origin&) const = default;
};

/// The numbers are those of containerd.services.snapshots.v1.Kind.
enum class SnapshotKind : std::uint8_t { view = 1, active = 2, committed = 3 };

using Labels = std::map<std::string, std::string>;

/// Disk space, as the file system counts it (st_blocks), and inodes.
struct Usage {
    std::uint64_t size_bytes = 0;
    std::uint64_t inodes = 0;

    bool operator==(const Usage&) const = default;
};

struct SnapshotRecord {
    SnapshotId id{};
    std::string name;    ///< the key while active or view, the name once committed; unique
    std::string parent;  ///< name of the parent; empty for none
    SnapshotKind kind = SnapshotKind::active;
    Labels labels;
    std::int64_t created_at_ns = 0;  ///< since 1970, UTC
    std::int64_t updated_at_ns = 0;
    Usage usage;                   ///< as taken at commit; zero before, and for remote snapshots
    std::optional<LayerId> layer;  ///< set: a remote snapshot, fs/ is that layer's mount
};

/// The label by which containerd recognises a remote snapshot; its value is the chain id.
inline constexpr std::string_view kSnapshotRefLabel = "containerd.io/snapshot.ref";

}  // namespace lazybuild::store
