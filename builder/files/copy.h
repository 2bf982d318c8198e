// SPDX-License-Identifier: Apache-2.0
// COPY and ADD: what they select, what the selection is known by, and the layer that they make.
// Neither touches a mount or a path of the host: sources and destination are FileSources, the
// result goes into a LayerMaker, so that no symlink of an image can lead anywhere.
//
// Semantics: the Dockerfile reference, "COPY" (BuildKit's, see docs/builder.md for differences).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/graph/step.h"
#include "builder/layers/file_source.h"
#include "builder/layers/layer_store.h"

namespace lazybuild::files {

/// More files than this are not selected by one step: a layer cannot hold them.
inline constexpr std::size_t kSelectedFilesMax = codec::kLayerEntriesMax;
/// Selection::names ends there.
inline constexpr std::size_t kSelectionNamesMax = 10'000;

/// The sources of one step, by its CopySource::from.
using Sources = std::map<graph::StepId, layers::FileSource*>;

/// One file that will be copied.
struct Selected {
    std::string from;  ///< in its source
    /// Below the place that its match goes to; "" for the match itself.
    std::string to;
    layers::FileInfo info;
    std::optional<layers::ContentDigest> content;  ///< of a regular file
    /// --parents: a directory that leads to what was asked for; one that exists stays as it is.
    bool on_the_way = false;
};

/// One file or directory that a pattern named.
struct Match {
    layers::FileSource* source = nullptr;
    std::string name;        ///< its last name as written: what a file is called in a directory
    bool directory = false;  ///< what is in it is copied, not itself
    bool unpack = false;     ///< it is unpacked if it is an archive
    bool by_name = true;     ///< not by a wildcard
    std::vector<Selected> files;  ///< directories before what is in them
};

struct Selection {
    std::vector<Match> matches;  ///< in the order in which they are copied
    /// Over names, attributes that the copy keeps (not mtime; not mode and owner where --chmod and
    /// --chown overwrite them) and contents: what a key holds instead of the sources.
    codec::Digest digest;
    bool claimed = false;  ///< a content digest in it is only claimed
    /// "src/main.c -644 0:0 sha256:…", for explaining misses: type and mode, owner, and a digest
    /// over what else counts of that file. Mode and owner are left out (their blanks are not) where
    /// they do not count. At most kSelectionNamesMax.
    std::vector<std::string> names;
};

/// Errors: no_such_file_or_directory (`"/x": not found`, with explain_absence), invalid_argument,
/// over_limit past kSelectedFilesMax.
Result<Selection> select(const graph::CopyStep& step, const Sources& sources);

/// Puts the selection into a layer over `onto`, the destination as it is now. With --link
/// (step.base is none) nothing of `onto` is looked at but its accounts, if --chown gives a name;
/// nullptr if it does not. Every byte is hashed on the way.
/// Errors: invalid_argument in BuildKit's words for what cannot be put where it is to go;
/// bad_message, naming the file, when a claimed digest was wrong or a file has changed meanwhile.
Result<layers::LayerPointer> copy(const graph::CopyStep& step, const Selection& selection,
                                  layers::FileSource* onto, layers::LayerMaker& maker);

/// WORKDIR. nullptr: the directory is there already, no layer.
Result<layers::LayerPointer> make_directory(const graph::DirectoryStep& step,
                                            layers::FileSource& base, layers::LayerMaker& maker);

/// Of etc/passwd and of etc/group.
inline constexpr std::uint64_t kAccountFileBytesMax = 4 << 20;

/// "name[:group]" or numbers, looked up in etc/passwd and etc/group of `files`. A user given by
/// number without a group has the group of that number; by name, his own group. `files` may be
/// nullptr when there are only numbers. Errors: invalid_argument for who is not there.
struct Owner {
    std::uint32_t uid = 0, gid = 0;
};
Result<Owner> find_owner(const std::string& text, layers::FileSource* files);

}  // namespace lazybuild::files
