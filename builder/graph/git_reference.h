// SPDX-License-Identifier: Apache-2.0
// Places in git repositories, as ADD and build contexts name them:
//   git@host:path  ssh://…  git://…  http(s)://….git     [?query][#ref[:directory]]
// with ref=, tag=, branch=, subdir=, checksum= or commit=, keep-git-dir=, submodules=, mtime= and
// fetch-by-commit= in the query.
//
// Source: the Dockerfile reference, "ADD", and docker build's "Git repositories".
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "builder/graph/step.h"

namespace lazybuild::graph {

struct GitReference {
    GitStep step;
    bool keep_git_directory_given = false;
};

/// nullopt when `text` is something else: a path, a plain URL.
/// Errors: invalid_argument for a query that is unknown, or that the fragment contradicts; a
/// reference or directory that git would take for an option.
Result<std::optional<GitReference>> parse_git_reference(std::string_view text);

}  // namespace lazybuild::graph
