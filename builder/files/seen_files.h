// SPDX-License-Identifier: Apache-2.0
// What there is in a directory of the host, as far as anybody has looked: without what its ignore
// file excludes, and with what earlier builds have found out about the files (stat_index.h). What
// has been looked at once stays as it was seen then. Not for other rooms.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "builder/dockerfile/ignore.h"
#include "builder/files/context.h"
#include "builder/files/hash_files.h"
#include "builder/files/local_directory.h"
#include "builder/files/local_view.h"
#include "builder/files/stat_index.h"
#include "builder/layers/file_source.h"

namespace lazybuild::files {

struct SeenFile {
    std::optional<layers::FileInfo> info;  ///< nullopt: there is nothing
    FileStamp stamp;
    std::optional<codec::Digest> content;  ///< of a regular file that was hashed
    KeptBytes kept;                        ///< for who opens it first
    bool raw = false;                      ///< the info is not complete: xattrs, a link's target
    bool expected = false;                 ///< it is being hashed, or waits for that
};
/// With its path in the directory. It stays where it is.
using NamedFile = std::pair<const std::string, SeenFile>;

/// Threads: one call at a time. The stat index is written by a thread of its own.
class SeenFiles {
  public:
    SeenFiles(LocalDirectory directory, const LocalView& view, dockerfile::IgnorePatterns ignore,
              std::optional<StatIndex> index);
    /// Writes what is new to the stat index.
    ~SeenFiles();
    SeenFiles(const SeenFiles&) = delete;
    SeenFiles& operator=(const SeenFiles&) = delete;

    const LocalDirectory& directory() const { return directory_; }
    const dockerfile::IgnorePatterns& ignore() const { return ignore_; }

    /// What is at a clean path, complete; it is looked at if nobody has yet. Errors: errno.
    Result<NamedFile*> see(std::string_view path);
    /// nullptr: nobody has looked yet.
    NamedFile* find(std::string_view path);
    /// Names in a directory, sorted bytewise, sockets left out. What is there counts as looked at.
    /// Errors: errno.
    Result<std::vector<std::string>> list(std::string_view path);

    /// For builds to come: `files` have the contents that they say. `taken_at_ns`: now_ns() before
    /// they were read.
    void remember(const std::vector<NamedFile*>& files, std::int64_t taken_at_ns);
    /// Begins to write what is new to the stat index if that is much: what was hashed is copied
    /// next, which leaves a processor idle.
    void save_beside();

    /// The clock of the stat index: ns since 1970.
    static std::int64_t now_ns();

  private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };
    /// Where xattrs were asked for last: files are looked at directory by directory.
    struct OpenParent {
        std::string path;
        Fd file;
    };

    bool has_visible_file(const std::string& directory);
    NamedFile& keep(const std::string& path, const struct stat& status);
    Result<void> complete(const std::string& path, SeenFile& seen);
    Result<std::vector<codec::Xattr>> xattrs(const std::string& path);

    const LocalDirectory directory_;
    const LocalView view_;
    const dockerfile::IgnorePatterns ignore_;
    std::unordered_map<std::string, SeenFile, Hash, std::equal_to<>> seen_;
    std::map<std::pair<dev_t, ino_t>, std::uint64_t> inodes_;  // of files with several names
    std::optional<OpenParent> parent_;
    std::size_t new_rows_ = 0;
    std::mutex index_mutex_;  // guards index_; held while it is written
    std::optional<StatIndex> index_;
    std::jthread saving_;  // uses index_: it ends first
};

}  // namespace lazybuild::files
