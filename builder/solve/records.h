// SPDX-License-Identifier: Apache-2.0
// Cache records: key → the id of the layer that the step made. They say what came out, not where it
// is; the layer store knows that. A record whose layer is gone still tells what the step's result
// is named by, so that steps after it can be looked up.
//
// Kept in <root>/build.db. Threads and processes: any.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/digest.h"

namespace lazybuild::solve {

struct Record {
    codec::Digest key;
    std::optional<codec::Digest> layer;  ///< none: the step changed nothing
    std::vector<codec::Digest> inputs;   ///< keys of the records whose results went in
    std::string definition;              ///< the text that the key is the digest of (key.h)
    std::string text;                    ///< "RUN make": for people
    std::int64_t created_at_s = 0;
    std::int64_t used_at_s = 0;
};

class Records {
  public:
    static Result<std::unique_ptr<Records>> open(const std::string& root);
    virtual ~Records() = default;
    virtual Result<std::optional<Record>> find(const codec::Digest& key) = 0;
    virtual Result<void> add(const Record& record) = 0;
    virtual Result<std::vector<Record>> all() = 0;
    virtual Result<void> remove(const codec::Digest& key) = 0;
};

}  // namespace lazybuild::solve
