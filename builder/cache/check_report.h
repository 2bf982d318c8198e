// SPDX-License-Identifier: Apache-2.0
// What became known of records by looking whether their layers can be had.
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "codec/digest.h"
#include "codec/oci_descriptor.h"

namespace lazybuild::cache {

/// Something that cannot be had.
struct CheckFinding {
    std::optional<codec::Descriptor> blob;  ///< none: a layer of which no blob is known
    std::string why;                        ///< what each place said where it should be
    struct Need {
        std::string what;                    ///< "RUN make", "cache mount sha256:6c3c624b58db"
        std::optional<codec::Digest> layer;  ///< that a step made
        auto operator<=>(const Need&) const = default;
    };
    std::vector<Need> needed_by;  ///< each once
};

/// Each record is one of four things.
struct CheckReport {
    std::string name;  ///< the store's root, or the cache as the user named it
    std::size_t records = 0;
    std::size_t here = 0;       ///< their layers are in the store, or in the cache
    std::size_t elsewhere = 0;  ///< some are in registries or directories that are known
    std::size_t without = 0;    ///< of a cache: by its mode, or who wrote it, they are to have none
    std::size_t lost = 0;       ///< some cannot be had
    std::size_t blobs = 0;      ///< that were asked for, or read
    std::uint64_t blob_bytes = 0;
    std::vector<CheckFinding> findings;  ///< empty: all of it holds
    std::vector<std::string> warnings;
};

/// Collects findings, one for each cause.
class CheckFindings {
  public:
    void add_blob(const codec::Descriptor& blob, const std::string& why,
                  CheckFinding::Need needed_by);
    void add(const std::string& why, CheckFinding::Need needed_by);
    std::vector<CheckFinding> take();

  private:
    void add(const std::string& cause, CheckFinding finding, CheckFinding::Need needed_by);

    std::vector<CheckFinding> findings_;
    std::map<std::string, std::size_t> places_;  ///< in findings_, by cause
    std::set<std::pair<std::size_t, CheckFinding::Need>> known_;
};

}  // namespace lazybuild::cache
