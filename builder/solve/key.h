// SPDX-License-Identifier: Apache-2.0
// Keys: a step's key is the SHA-256 of a text that says everything that can change its result: the
// step's definition (graph/definition.h) and a line for each input. The text is kept with the
// record, so that a miss can be explained line by line.
//
//   lazybuild key 2 <bytes of the definition>
//   <definition, as many lines as it has>
//   base sha256:…           the file system worked on: a chain over its layers' ids
//   source 0 sha256:…       one that is read: the same
//   source 1 <identity>     of a git repository, a file from http
//   files sha256:…          what was selected, by content, instead of the sources
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/digest.h"

namespace lazybuild::solve {

/// Names a file system by the ids of its layers, the bottom one first. No layers have a name too.
codec::Digest chain_id(std::span<const codec::Digest> layer_ids);
/// Of one more layer on a file system; `below` is zeros for none.
codec::Digest chain_id(const codec::Digest& below, const codec::Digest& layer_id);

class KeyText {
  public:
    explicit KeyText(std::string_view definition);
    /// Line breaks in `value` are written as \n: an input cannot pass for two.
    void add(std::string_view name, std::string_view value);
    const std::string& text() const { return text_; }
    codec::Digest key() const;

  private:
    std::string text_;
};

}  // namespace lazybuild::solve
