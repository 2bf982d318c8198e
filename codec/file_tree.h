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
#include <memory>
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

inline constexpr std::uint32_t kSetGroupId = 02000;  ///< of Node::mode

using NodeId = std::uint32_t;
inline constexpr NodeId kRootNode = 0;

struct DirectoryEntry {
    std::string name;  ///< one component, 1 to 255 bytes, no '/' and no NUL
    NodeId node = 0;
};

/// One inode. Hard links are several DirectoryEntries that name the same Node.
struct Node {
    FileType type = FileType::directory;
    bool opaque = false;  ///< directories: hides what lower layers have here
    /// Directories: no entry named it. 0755 root:root (the group of a setgid parent), mtime 0.
    bool synthesised = false;
    bool made_in_synthesised = false;  ///< it is one, and its directory was one when it was made
    bool whiteout = false;             ///< character devices: hides a name of the layers below
    std::uint32_t mode = 0755;         ///< permissions with setuid, setgid, sticky: 07777 at most
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t link_count = 1;  ///< names of a file; 2 + subdirectories of a directory
    std::int64_t mtime_s = 0;      ///< seconds since 1970, not negative
    std::uint64_t size_bytes = 0;  ///< regular files
    /// Regular files: SHA-256 of all bytes, of an empty file that of nothing. Zeros: not known.
    /// Of a file of one chunk it is the chunk's digest; of one of several it is a claim of the
    /// index, which nobody checks when the chunks are read.
    Digest content;
    std::uint32_t device_major = 0, device_minor = 0;
    std::string link_target;              ///< symlinks
    std::vector<Xattr> xattrs;            ///< sorted by name
    std::vector<DirectoryEntry> entries;  ///< directories; sorted by name, bytewise
    std::uint32_t first_chunk = 0;        ///< index into FileTree::chunks
    std::uint32_t chunk_count = 0;        ///< 0 for empty files
    std::uint64_t disk_offset_bytes = 0;  ///< regular files: set by assign_disk_offsets
};

struct FileTree {
    std::vector<Node> nodes;    ///< [kRootNode] is the root directory; every other one has a name
    std::vector<Chunk> chunks;  ///< one file's chunks stand together, by file offset, without gaps
    std::uint64_t disk_size_bytes = 0;  ///< set by assign_disk_offsets
    /// A directory was made opaque when a synthesised one was in it already: as a first layer
    /// (chain_tree.h), containerd removes that again with what was in it.
    bool opaque_over_synthesised = false;

    const Node& root() const { return nodes[kRootNode]; }
    /// The node at `path` ("usr/bin/python3", "" is the root); symlinks are not followed.
    std::optional<NodeId> find(std::string_view path) const;
};

/// Into how large chunks we cut files, as long as nobody asks for others: tree_digest.h.
inline constexpr std::uint64_t kPieceBytes = 1 << 20;

/// Where payloads lie on a layer's disk (design section 3): each non-empty regular file starts at a
/// multiple of kDiskAlignment, in the order of the blob (of its first chunk), so that a read of the
/// disk in order is a read of the blob in order. The disk's size is a multiple of it too.
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
    /// Of a regular file of several chunks, when something says it; otherwise it is not looked at.
    std::optional<Digest> content;
};

/// Limits on what a layer may say, so that an index of any layer is made in less than 256 MiB of
/// memory: some 500 bytes a file, 80 a chunk more. What is beyond them is pulled in full.
inline constexpr std::size_t kLayerEntriesMax = 320'000;  ///< and of inodes
inline constexpr std::size_t kLayerChunksMax = 640'000;
inline constexpr std::uint64_t kLayerTextBytesMax = 128 << 20;  ///< of all paths, targets, xattrs
inline constexpr std::size_t kPathBytesMax = 4096;              ///< so no tree is deeper than half
inline constexpr std::size_t kNameBytesMax = 255;
inline constexpr std::size_t kXattrBytesMax = 65536;  ///< of all of one inode's xattrs
/// Of a layer's disk: what EROFS's 32-bit numbers of 4 KiB blocks can say.
inline constexpr std::uint64_t kDiskBytesMax = std::uint64_t{1} << 44;

/// Builds a FileTree from entries in layer order, with the rules of containerd 1.6's unpack onto
/// overlayfs (its archive.Apply), so that a mounted layer is the unpacked one:
///
/// - A later entry replaces an earlier one; only a directory over a directory keeps the children,
///   and the xattrs that the later one does not name.
/// - The root is 0755 root:root whatever an entry for it says: containerd passes that over, since
///   the root is the snapshotter's. Its time is the entry's; unpacked, it is that of the unpacking.
/// - Missing parents are synthesised. A symlink as a parent is followed, inside the layer.
/// - A hard link names the inode that its target is at that moment, whatever becomes of the target
///   later; a target that is not there yet is what it finally is. Like containerd's chown and chmod
///   of the new name, the link's attributes then become the inode's.
/// - ".wh.X" becomes a 0:0 character device X and replaces an earlier X; a later X replaces it.
///   ".wh..wh..opq" makes its directory opaque; other ".wh..wh.*" names are left out.
/// - Landmarks and the TOC (names of eStargz in the root) are left out.
/// - Times before 1970 or after 2262 become 0. An owner of 2^32-1 is left as it is (chown).
/// - Xattrs stay that overlayfs and a mount can carry: security.* without security.selinux, user.*
///   without user.overlay.* (regular files and directories), and POSIX ACLs (design section 3,
///   "Layers are hostile").
///
/// Nodes stand in the order of the layer, and so do the chunks.
/// Ownership: keeps what it is given. One thread at a time.
class FileTreeBuilder {
  public:
    FileTreeBuilder();
    FileTreeBuilder(FileTreeBuilder&&) noexcept;
    FileTreeBuilder& operator=(FileTreeBuilder&&) noexcept;
    ~FileTreeBuilder();

    /// Paths are cleaned (clean_path), so that ".." never leaves the layer.
    /// Errors: bad_message for a file as a parent, for NUL bytes, for an impossible whiteout or
    /// symlink, for chunks that do not cover the file; over_limit past the limits above. Messages
    /// name the path. After an Error the builder is only good for being destroyed.
    Result<void> add(LayerEntry entry);

    /// Errors: bad_message for a hard link whose target is not a file of the layer; over_limit for
    /// a disk of more than kDiskBytesMax. Disk offsets are assigned.
    Result<FileTree> finish() &&;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// "./usr//bin/../x/" → "usr/x": as path.Clean("/" + name) without its leading "/" in Go, which is
/// how eStargz names are compared. Never leaves the root. Errors: bad_message for NUL bytes,
/// over_limit for more than kPathBytesMax bytes or a component of more than kNameBytesMax.
Result<std::string> clean_path(std::string_view path);

}  // namespace lazybuild::codec
