// SPDX-License-Identifier: Apache-2.0
// Cache records: key → the id of the layer that the step made. They say what came out, not where it
// is; the layer store knows that. A record whose layer is gone still tells what the step's result
// is named by, so that steps after it can be looked up.
//
// Kept in <root>/build.db. Threads and processes: any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/digest.h"

namespace lazybuild::solve {

/// Of Record::files: more explain no better, and a record is small.
inline constexpr std::size_t kRecordFilesMax = 4096;

struct Record {
    codec::Digest key;
    codec::Digest layer;  ///< id; of a step that changed nothing, that of the empty one
    /// A step that reads other stages is known by their names and by what it reads of them; of a
    /// record by names: the key of the one by content.
    std::optional<codec::Digest> content_key;
    /// Names the file system that it worked on: chain_id() of its layers. None for what does not
    /// depend on one.
    std::optional<codec::Digest> base;
    std::vector<codec::Digest> inputs;  ///< keys of the records whose results went in
    std::string definition;             ///< the text that the key is the digest of (key.h)
    std::string text;                   ///< "RUN make": for people
    std::vector<std::string> files;     ///< what was selected, as files::Selection::names
    /// "base image alpine:3 sha256:…", "base step RUN make", "source 0 context": what the lines of
    /// the definition with these first words stand for.
    std::vector<std::string> input_names;
    std::int64_t created_at_s = 0;  ///< since 1970; 0: now, in add()
    std::int64_t used_at_s = 0;
};

class Records {
  public:
    /// Makes `root` and the database when they are not there. Errors: those of store::Database.
    static Result<std::unique_ptr<Records>> open(const std::string& root);
    virtual ~Records() = default;
    /// Without `inputs`, `files` and `input_names`. That a record was used is noted later, many at
    /// once.
    virtual Result<std::optional<Record>> find(const codec::Digest& key) = 0;
    /// Replaces a record with the same key.
    virtual Result<void> add(const Record& record) = 0;
    /// Records with this text, complete, the newest first; at most `count_max`.
    virtual Result<std::vector<Record>> similar(const std::string& text, std::size_t count_max) = 0;
    /// Records with this base, complete, the newest first; at most `count_max`.
    virtual Result<std::vector<Record>> children(const codec::Digest& base,
                                                 std::size_t count_max) = 0;
    /// Without `files` and `input_names`; those used last come first.
    virtual Result<std::vector<Record>> all() = 0;
    /// What is not there is fine.
    virtual Result<void> remove(const codec::Digest& key) = 0;
};

}  // namespace lazybuild::solve
