// SPDX-License-Identifier: Apache-2.0
// Cuts the entries of a layer, in the order in which they are to stand, into gzip members, and
// those into batches. What goes into which member depends on the entries alone.
//
// Source: eStargz v0.4, and the writer rules of stargz-snapshotter's estargz library.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "codec/estargz_batch.h"
#include "codec/tar.h"

namespace lazybuild::codec {

/// Threads: one at a time.
class EstargzCutter {
  public:
    using Take = std::function<Result<void>(std::unique_ptr<EstargzBatch>)>;

    struct Sizes {
        std::uint64_t chunk_bytes = 0;
        /// A small file goes into the member of the file before it while that holds less than this.
        std::uint64_t member_bytes_min = 0;
    };

    /// `take` gets each batch when it is full; its Errors are passed on.
    EstargzCutter(Sizes sizes, Take take);
    ~EstargzCutter();

    /// The payload of a regular file follows in pieces, entry.entry.size_bytes in all.
    Result<void> begin_entry(const TarEntry& entry, ByteView header);
    Result<void> payload(ByteView bytes);
    /// The file that says whether what is in front of it should be fetched first; in a member of
    /// its own.
    Result<void> landmark(bool something_first);
    /// Hands over what is left.
    Result<void> finish();

  private:
    /// A name is said only where it differs from the last one said for its number.
    class NameMemory {
      public:
        std::string if_changed(std::uint32_t id, const std::string& name);

      private:
        std::unordered_map<std::uint32_t, std::string> last_;
    };

    void append(ByteView bytes);
    Result<void> begin_chunk();
    Result<void> begin_member(std::uint64_t expected_bytes);
    Result<void> hand_over();

    Sizes sizes_;
    Take take_;
    std::unique_ptr<EstargzBatch> batch_;
    NameMemory user_names_;
    NameMemory group_names_;
    std::uint64_t file_bytes_ = 0;  // of the current file
    std::uint64_t rest_bytes_ = 0;  // of its payload, still to come
    std::uint64_t chunk_rest_bytes_ = 0;
    std::size_t headers_bytes_ = 0;  // since the last payload
    bool member_is_closed_ = true;   // nothing may be put into the last member
};

}  // namespace lazybuild::codec
