// SPDX-License-Identifier: Apache-2.0
// Files to look at, hash and copy, wherever they are: the merged view of a snapshot's layers, a
// directory of the host, an unpacked archive. Whoever copies knows nothing else.
//
// Paths are clean and relative to the root ("usr/bin", "" is the root): "..", symlinks and absolute
// names have no meaning here, so that nothing can lead out. resolve() follows symlinks inside.
// Threads: any, one call at a time for one source unless it says otherwise. May block on the disk
// and, for layers that are not all here, on the network: never on the reactor's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/stream.h"
#include "codec/digest.h"
#include "codec/file_tree.h"

namespace lazybuild::layers {

/// Attributes of one file. Of a directory, not its entries.
struct FileInfo {
    codec::FileType type = codec::FileType::regular;
    std::uint32_t mode = 0;
    std::uint32_t uid = 0, gid = 0;
    std::int64_t mtime_s = 0;
    std::uint64_t size_bytes = 0;
    std::uint32_t device_major = 0, device_minor = 0;
    std::string link_target;
    std::vector<codec::Xattr> xattrs;  ///< sorted by name
    /// Names of one file have the same number, other files another one; 0: it has one name only.
    std::uint64_t inode = 0;
};

/// The same attributes as an entry of a layer that is made; "" is the root. Without content.
codec::LayerEntry entry_of(const std::string& path, const FileInfo& info);

/// SHA-256 of a file's bytes.
struct ContentDigest {
    codec::Digest digest;
    bool verified = true;  ///< false: an index claims it, and nobody has looked
};

class FileSource {
  public:
    virtual ~FileSource() = default;
    /// nullopt when there is nothing; the last component is not followed, and a symlink or a file
    /// on the way is as if there were nothing.
    virtual Result<std::optional<FileInfo>> look(std::string_view path) = 0;
    /// Names in a directory, sorted bytewise. Errors: not_a_directory, no_such_file_or_directory.
    virtual Result<std::vector<std::string>> list(std::string_view path) = 0;
    /// Of a regular file.
    virtual Result<ContentDigest> digest(std::string_view path) = 0;
    /// Of many regular files, in their order: whoever can does that with several threads.
    virtual Result<std::vector<ContentDigest>> digests(const std::vector<std::string>& paths) {
        std::vector<ContentDigest> all;
        all.reserve(paths.size());
        for (const std::string& path : paths) {
            TRY(const ContentDigest one, digest(path));
            all.push_back(one);
        }
        return all;
    }
    /// digests() of these will follow, of others too, or nothing at all: whoever can begins.
    virtual void expect_digests(const std::vector<std::string>& /*paths*/) {}
    /// What was hashed will not be opened soon: bytes that were kept for that can go.
    virtual void drop_kept_bytes() {}
    /// A regular file's bytes. The source outlives what it returns.
    virtual Result<std::unique_ptr<ByteSource>> open(std::string_view path) = 0;
    /// Why there is nothing at `path` though the user may expect it: "excluded by .dockerignore
    /// line 4". "" when there is nothing to say.
    virtual std::string explain_absence(std::string_view /*path*/) { return {}; }
};

/// `path` with all symlinks followed inside `source`, the last one too. What does not exist is left
/// as it is written. Errors: too_many_symbolic_link_levels after 255 of them.
Result<std::string> resolve(FileSource& source, std::string_view path);

}  // namespace lazybuild::layers
