// SPDX-License-Identifier: Apache-2.0
// A layer that is here as a whole: <root>/layers/<hex>/, as store::DiskWriter made it. While
// somebody has it, its disk is locked (shared), so that nobody removes it.
//
// Threads: any.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "builder/layers/erofs_choice.h"
#include "builder/layers/file_lock.h"
#include "builder/layers/layer.h"

namespace lazybuild::layers {

class DiskLayer final : public Layer {
  public:
    struct Options {
        codec::Digest id;
        std::uint64_t blob_bytes = 0;     ///< of a base layer
        std::uint64_t fetched_bytes = 0;  ///< of it, by this process
        /// When the caller has it; otherwise it is read when somebody asks.
        std::shared_ptr<const codec::FileTree> tree;
        std::shared_ptr<ErofsChoice> erofs;
    };
    /// nullptr when there is no such directory. Notes that it was used now. Errors: errno; an
    /// index that is damaged is tree()'s to say.
    static Result<LayerPointer> open(const std::string& directory, Options options);

    const codec::Digest& id() const override { return options_.id; }
    Result<std::shared_ptr<const codec::FileTree>> tree() override;
    Result<void> read_disk(std::uint64_t offset_bytes, MutableByteView out) override;
    bool contents_are_claims() const override { return false; }
    Result<void> mount(const std::string& image, const std::string& target) override;
    std::uint64_t failed_reads() const override {
        return failed_reads_.load(std::memory_order_relaxed);
    }
    std::uint64_t fetched_bytes() const override { return options_.fetched_bytes; }
    std::uint64_t blob_bytes() const override { return options_.blob_bytes; }

  private:
    DiskLayer(std::string directory, FileLock disk, Options options);

    const std::string directory_;
    const FileLock disk_;
    Options options_;
    std::atomic<std::uint64_t> failed_reads_ = 0;
    std::mutex mutex_;  // guards tree_
    std::shared_ptr<const codec::FileTree> tree_;
};

}  // namespace lazybuild::layers
