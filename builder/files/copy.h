// SPDX-License-Identifier: Apache-2.0
// COPY and ADD: what they select, what the selection is known by, and the layer that they make.
// Neither touches a mount or a path of the host: sources and destination are FileSources, the
// result goes into a LayerMaker, so that no symlink of an image can lead anywhere.
//
// Semantics: the Dockerfile reference, "COPY" (BuildKit's, see docs/builder.md for differences).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/graph/step.h"
#include "builder/layers/file_source.h"
#include "builder/layers/layer_store.h"

namespace lazybuild::files {

/// The sources of one step, by its CopySource::from.
using Sources = std::map<graph::StepId, layers::FileSource*>;

/// One file that will be copied: from where to where.
struct Selected {
    layers::FileSource* source = nullptr;
    std::string from;  ///< in the source
    std::string to;    ///< relative to the step's destination root
    layers::FileInfo info;
};

struct Selection {
    std::vector<Selected> files;  ///< directories before what is in them
    /// Over names, attributes that the copy keeps (not mtime; not mode and owner where --chmod and
    /// --chown overwrite them) and contents: what a key holds instead of the sources.
    codec::Digest digest;
    bool claimed = false;  ///< a content digest in it is only claimed
    std::vector<std::string>
        names;  ///< "src/main.c sha256:…": for explaining misses; at most 10,000
};

/// Errors: no_such_file_or_directory ("not found: /x", with explain_absence), invalid_argument.
Result<Selection> select(const graph::CopyStep& step, const Sources& sources);

/// Puts the selection into a layer over `onto` (the destination as it is now, nullptr for --link).
/// Every byte is hashed on the way. Errors: also bad_message, naming the file, when a claimed
/// digest was wrong.
Result<layers::LayerPointer> copy(const graph::CopyStep& step, const Selection& selection,
                                  layers::FileSource* onto, layers::LayerMaker& maker);

/// WORKDIR. nullptr: the directory is there already, no layer.
Result<layers::LayerPointer> make_directory(const graph::DirectoryStep& step,
                                            layers::FileSource& base, layers::LayerMaker& maker);

/// "name[:group]" or numbers, looked up in etc/passwd and etc/group of `files` (limits on their
/// size).
struct Owner {
    std::uint32_t uid = 0, gid = 0;
};
Result<Owner> find_owner(const std::string& text, layers::FileSource& files);

}  // namespace lazybuild::files
