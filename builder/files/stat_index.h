// SPDX-License-Identifier: Apache-2.0
// What the files of a directory of the host hash to, from one build to the next: a file whose
// attributes are what they were is not read again.
//
// Attributes say nothing about a file that was written in the moment in which it was hashed, since
// a second write in the same tick of the clock leaves them as they are. So what had changed within
// the last kRacySeconds when it was hashed is not remembered (git's "racily clean").
//
// The index is a cache: whatever is wrong with it, files are read instead. Not for other rooms.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "codec/digest.h"
#include "codec/file_tree.h"
#include "snapshotter/store/database.h"

struct stat;

namespace lazybuild::files {

inline constexpr std::int64_t kRacySeconds = 2;

/// What has to be the same for a file to be the same. Times in ns since 1970; any write, chmod,
/// rename or setxattr gives another ctime.
struct FileStamp {
    std::uint64_t size_bytes = 0;
    std::int64_t mtime_ns = 0;
    std::int64_t ctime_ns = 0;
    std::uint64_t inode = 0;
    bool operator==(const FileStamp&) const = default;
};
FileStamp stamp_of(const struct stat& status);

/// What is remembered of it.
struct FileFacts {
    std::optional<codec::Digest> content;  ///< of regular files that were hashed
    std::vector<codec::Xattr> xattrs;
};

/// One thread at a time. Of several processes with one database the last one wins.
class StatIndex {
  public:
    /// Which directory the paths are in.
    struct Place {
        std::uint64_t device = 0;
        std::uint64_t inode = 0;
        std::string path;
    };
    /// Reads all there is about `place`. Errors: those of the database.
    static Result<StatIndex> open(const std::string& database, const Place& place);

    /// nullptr when nothing is known about `path` with this stamp.
    const FileFacts* find(std::string_view path, const FileStamp& stamp);
    /// `taken_at_ns`: the clock before the facts were looked for.
    void remember(const std::string& path, const FileStamp& stamp, FileFacts facts,
                  std::int64_t taken_at_ns);
    /// Writes what is new, in one transaction; drops what no build has asked for when that is most.
    Result<void> save();

  private:
    struct Known {
        FileStamp stamp;
        FileFacts facts;
        bool changed = false;
        bool used = false;
    };
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };

    explicit StatIndex(store::Database database) : database_(std::move(database)) {}
    Result<void> load();
    Result<void> write_changed();
    Result<void> drop_unused();

    store::Database database_;
    std::int64_t directory_ = 0;  // its row
    std::unordered_map<std::string, Known, Hash, std::equal_to<>> files_;
};

}  // namespace lazybuild::files
