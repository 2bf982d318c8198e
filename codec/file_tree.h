// SPDX-License-Identifier: Apache-2.0
// FileTree: what a layer contains, whatever format it came in. The index half of design section 1:
// for every file its attributes and its chunks (place in the blob, size, digest), never its bytes.
//
// It is what an eStargz TOC or a read of a plain tar becomes, and what the EROFS writer, the chunk
// table and the builder start from. Whiteouts are already what overlayfs wants: a 0:0 character
// device, or Node::opaque on a directory. Landmarks and the TOC itself are not in it.
//
// Sources: OCI image-spec v1.1 layer.md (whiteouts, hardlinks, replaced entries); eStargz v0.4 for
// the meaning of chunks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/digest.h"

namespace lazybuild::codec {

enum class FileType : std::uint8_t { regular, directory, symlink, character, block, fifo };

struct Xattr {
    std::string name;   ///< whole name: "user.mime", "security.capability"
    std::string value;  ///< any bytes
};

/// A run of one regular file's bytes, and where to find it. `size_bytes` is exact, never "to end".
struct Chunk {
    std::uint64_t file_offset_bytes = 0;
    std::uint64_t size_bytes = 0;
    std::uint64_t blob_offset_bytes = 0;    ///< of the compressed member that holds it
    std::uint64_t blob_size_bytes = 0;      ///< to the next member; an upper bound
    std::uint64_t member_offset_bytes = 0;  ///< inside that member, uncompressed (innerOffset)
    Digest digest;                          ///< of the chunk's uncompressed bytes
};

using NodeId = std::uint32_t;
inline constexpr NodeId kRootNode = 0;

struct DirectoryEntry {
    std::string name;  ///< one component, 1 to 255 bytes, no '/' and no NUL
    NodeId node = 0;
};

/// One inode. Hard links are several DirectoryEntries that name the same Node.
struct Node {
    FileType type = FileType::directory;
    bool opaque = false;        ///< directories: hides what lower layers have here
    bool synthesised = false;   ///< directories: no entry named it; 0755 root:root, mtime 0
    std::uint32_t mode = 0755;  ///< permissions with setuid, setgid, sticky: 07777 at most
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t link_count = 1;  ///< names of a file; 2 + subdirectories of a directory
    std::int64_t mtime_s = 0;      ///< seconds since 1970, may be negative
    std::uint64_t size_bytes = 0;  ///< regular files
    std::uint32_t device_major = 0, device_minor = 0;
    std::string link_target;              ///< symlinks
    std::vector<Xattr> xattrs;            ///< sorted by name
    std::vector<DirectoryEntry> entries;  ///< directories; sorted by name, bytewise
    std::uint32_t first_chunk = 0;        ///< index into FileTree::chunks
    std::uint32_t chunk_count = 0;        ///< 0 for empty files
    std::uint64_t disk_offset_bytes = 0;  ///< regular files: set by assign_disk_offsets
};

struct FileTree {
    std::vector<Node> nodes;    ///< [kRootNode] is the root directory, always there
    std::vector<Chunk> chunks;  ///< one file's chunks stand together, by file offset, without gaps
    std::uint64_t disk_size_bytes = 0;  ///< set by assign_disk_offsets

    const Node& root() const { return nodes[kRootNode]; }
    /// The node at `path` ("usr/bin/python3", "" is the root); symlinks are not followed.
    std::optional<NodeId> find(std::string_view path) const;
};

/// Where payloads lie on a layer's disk (design section 3): each non-empty regular file starts at a
/// multiple of kDiskAlignment, in the order of the blob, so that a read of the disk in order is a
/// read of the blob in order.
inline constexpr std::uint64_t kDiskAlignment = 4096;
void assign_disk_offsets(FileTree& tree);

/// One entry of a layer, as a tar header or a TOC line says it; what FileTreeBuilder is fed.
struct LayerEntry {
    enum class Kind : std::uint8_t { file, hardlink };
    Kind kind = Kind::file;
    FileType type = FileType::regular;  ///< when kind is file
    std::string path;                   ///< as written: "./usr/bin/", "usr/.wh.bin"
    std::uint32_t mode = 0;             ///< bits beyond 07777 are ignored
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::int64_t mtime_s = 0;
    std::uint64_t size_bytes = 0;
    std::uint32_t device_major = 0, device_minor = 0;
    std::string link_target;  ///< symlink: the target; hardlink: a path in this layer
    std::vector<Xattr> xattrs;
    std::vector<Chunk> chunks;  ///< of a non-empty regular file: in order, without gaps
};

/// Limits on what a layer may say.
inline constexpr std::size_t kLayerEntriesMax = 8'000'000;
inline constexpr std::size_t kPathBytesMax = 4096;
inline constexpr std::size_t kNameBytesMax = 255;
inline constexpr std::size_t kXattrBytesMax = 65536;  ///< of all of one entry's xattrs

/// Builds a FileTree from entries in layer order, with the rules of containerd's unpack:
/// a later entry replaces an earlier one (a directory keeps its children when a directory replaces
/// it), missing parents are synthesised, hard links resolve to what their target finally is,
/// whiteouts become devices and opaque marks, `trusted.overlay.*`, `user.overlay.*` and
/// `security.selinux` xattrs are dropped (design section 3, "Layers are hostile").
/// Ownership: keeps what it is given. One thread at a time.
class FileTreeBuilder {
  public:
    FileTreeBuilder();

    /// Errors: bad_message for a path that leaves the layer ("..", NUL, a file as a parent …) or
    /// chunks that do not cover the file; over_limit past the limits above. Messages name the path.
    Result<void> add(LayerEntry entry);

    /// Errors: bad_message for a hard link whose target is not a file of the layer.
    /// Disk offsets are assigned.
    Result<FileTree> finish() &&;

  private:
    struct PendingLink {
        std::string path;
        std::string target;
    };
    FileTree tree_;
    std::vector<PendingLink> links_;
    std::size_t entries_ = 0;
};

/// "./usr//bin/../x/" → "usr/x": as path.Clean("/" + name) without its leading "/" in Go, which is
/// how eStargz names are compared. Never leaves the root. Errors: bad_message for NUL bytes,
/// over_limit for more than kPathBytesMax bytes or a component of more than kNameBytesMax.
Result<std::string> clean_path(std::string_view path);

}  // namespace lazybuild::codec
