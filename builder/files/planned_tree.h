// SPDX-License-Identifier: Apache-2.0
// The files of a layer, or of a context, before any of their bytes are moved: names, attributes,
// and where the bytes will come from. As a FileSource it is what one will see: the planned files
// over those that are there already.
//
// Nothing is created anywhere, so names and links of strangers are only text. Not for other rooms.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "builder/layers/file_source.h"
#include "builder/layers/layer_store.h"

namespace lazybuild::files {

/// Where a regular file's bytes are: one of the three, or nowhere for an empty file.
struct Payload {
    layers::FileSource* source = nullptr;  ///< outlives the tree
    std::string path;                      ///< in `source`
    std::shared_ptr<const Fd> spool;
    std::uint64_t offset_bytes = 0;  ///< in `spool`
    std::string text;
    std::optional<codec::Digest> digest;  ///< what the bytes must hash to, when that is known
};

/// The mtime of directories that nobody has a time for: always the same, so that the same steps
/// make the same layer, and not 1970, which zip files cannot say.
inline constexpr std::int64_t kMadeTimeS = 315'532'800;  // 1980-01-01

class PlannedTree final : public layers::FileSource {
  public:
    /// Over `below`, which outlives this; nullptr: over nothing.
    explicit PlannedTree(layers::FileSource* below) : below_(below) {}

    /// Puts a file, whatever is at `path` now. Its directory exists. Files with the same
    /// info.inode, unless that is 0, are one file.
    /// Errors: those of `below`; over_limit.
    Result<void> put(const std::string& path, layers::FileInfo info, Payload payload);
    /// Puts a directory; if there is one already, it takes the attributes and keeps what is in it
    /// and the xattrs that `info` does not name. Its own directory exists.
    Result<void> put_directory(const std::string& path, layers::FileInfo info);
    /// The directory at `path`, which has no symlinks in it, and all that is missing on the way get
    /// the attributes of `made`. Those that exist stay as they are.
    /// Errors: invalid_argument ("cannot copy to non-directory: /x").
    Result<void> make_directories(const std::string& path, const layers::FileInfo& made);
    /// The mtime of the directory at `path`, if it was made here; others keep theirs.
    void date_directory(const std::string& path, std::int64_t mtime_s);
    /// `path` as one more name of the file `target`, which may be in `below` only.
    /// Errors: bad_message when there is no such file.
    Result<void> link(const std::string& path, const std::string& target);

    /// A number for FileInfo::inode that no file has yet.
    std::uint64_t new_inode() { return next_inode_++; }

    Result<std::optional<layers::FileInfo>> look(std::string_view path) override;
    Result<std::vector<std::string>> list(std::string_view path) override;
    Result<layers::ContentDigest> digest(std::string_view path) override;
    Result<std::unique_ptr<ByteSource>> open(std::string_view path) override;

    /// Everything that was put, in the order of the names, and the directories that lead there
    /// with the attributes that they have.
    /// Errors: bad_message when bytes are not what Payload::digest says; invalid_argument for a
    /// name or device that layers have another use for; those of maker and sources.
    Result<void> write(layers::LayerMaker& maker);
    bool empty() const { return planned_.empty(); }

  private:
    struct Planned {
        layers::FileInfo info;
        Payload payload;
        bool fresh = false;   // a directory, and what `below_` has there does not count
        bool opaque = false;  // so others have to be told: `below_` has a directory there
    };
    using Names = std::map<std::string, Planned, std::less<>>;

    bool hides_below(std::string_view path) const;
    Result<std::optional<layers::FileInfo>> look_below(std::string_view path);
    Result<void> record_parents(std::string_view path);
    void forget_inside(const std::string& path);
    Result<void> insert(const std::string& path, Planned planned);
    Result<std::unique_ptr<ByteSource>> open_payload(const Planned& planned) const;
    Result<void> write_content(const std::string& path, const Planned& planned,
                               codec::LayerEntry entry, layers::LayerMaker& maker) const;

    layers::FileSource* const below_;
    Names planned_;
    std::uint64_t next_inode_ = 1;
};

/// Attributes of a directory that is made on the way.
layers::FileInfo made_directory(std::uint32_t mode, std::uint32_t uid, std::uint32_t gid);

}  // namespace lazybuild::files
