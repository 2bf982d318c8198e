// SPDX-License-Identifier: Apache-2.0
#include "builder/files/hash_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "codec/sha256.h"
#include "codec/sha256_many.h"

namespace lazybuild::files {
namespace {

constexpr std::uint64_t kSmallBytesMax = 128 << 10;
constexpr std::size_t kBatchFilesMax = 64;
constexpr std::uint64_t kBatchBytesMax = 1 << 20;
constexpr std::size_t kReadBytes = 512 << 10;
constexpr std::size_t kHelpersMax = 15;

/// A run of files: small ones together, or a large one.
struct Batch {
    std::size_t first = 0;
    std::size_t count = 0;
};

std::vector<Batch> cut(const std::vector<FileToHash>& files) {
    std::vector<Batch> batches;
    std::uint64_t bytes = 0;
    bool open = false;
    for (std::size_t i = 0; i < files.size(); ++i) {
        const std::uint64_t size_bytes = files[i].stamp.size_bytes;
        const bool small = size_bytes <= kSmallBytesMax;
        if (open && small && batches.back().count < kBatchFilesMax &&
            bytes + size_bytes <= kBatchBytesMax) {
            ++batches.back().count;
            bytes += size_bytes;
            continue;
        }
        batches.push_back(Batch{.first = i, .count = 1});
        bytes = size_bytes;
        open = small;
    }
    return batches;
}

Error changed(const FileToHash& file) {
    return corrupt(fmt::format(
        "\"{}\" was written to while the build read it; build again when that has ended",
        file.path));
}

/// What the threads share. Whoever comes late finds no batch left and goes.
class Work {
  public:
    Work(const LocalDirectory& directory, const std::vector<FileToHash>& files)
        : directory_(directory), files_(files), batches_(cut(files)), digests_(files.size()) {}

    std::size_t batches() const { return batches_.size(); }

    void run() {
        while (const auto batch = take()) {
            auto done = hash(*batch);
            give_back(done);
        }
    }

    /// Once run() has returned: waits for the batches that others have taken.
    Result<std::vector<codec::Digest>> wait() {
        std::unique_lock lock{mutex_};
        ended_.wait(lock, [this] { return running_ == 0; });
        if (failure_) {
            return fail(*std::move(failure_));
        }
        return std::move(digests_);
    }

  private:
    std::optional<Batch> take() {
        const std::lock_guard lock{mutex_};
        if (next_ == batches_.size() || failure_) {
            return std::nullopt;
        }
        ++running_;
        return batches_[next_++];
    }

    void give_back(Result<void>& done) {
        const std::lock_guard lock{mutex_};
        if (!done && !failure_) {
            failure_ = std::move(done).error();
        }
        if (--running_ == 0) {
            ended_.notify_all();
        }
    }

    Result<void> hash(Batch batch) {
        const FileToHash& first = files_[batch.first];
        if (batch.count == 1 && first.stamp.size_bytes > kSmallBytesMax) {
            return hash_large(first, digests_[batch.first]);
        }
        std::vector<Bytes> contents(batch.count);
        std::vector<ByteView> views;
        for (std::size_t i = 0; i < batch.count; ++i) {
            CHECK_OK(read_small(files_[batch.first + i], contents[i]));
            views.emplace_back(contents[i]);
        }
        codec::sha256_each(views, std::span{digests_}.subspan(batch.first, batch.count));
        return {};
    }

    Result<Fd> open(const FileToHash& file) const {
        TRY(LocalDirectory::Opened opened, directory_.open_regular(file.path));
        if (stamp_of(opened.status) != file.stamp) {
            return fail(changed(file));
        }
        return std::move(opened.file);
    }

    Result<void> read_small(const FileToHash& file, Bytes& content) const {
        TRY(const Fd opened, open(file));
        content.resize(file.stamp.size_bytes);
        TRY(const std::size_t count, pread_full(opened.get(), content, 0));
        if (count != content.size()) {
            return fail(changed(file));
        }
        return {};
    }

    Result<void> hash_large(const FileToHash& file, codec::Digest& digest) const {
        TRY(const Fd opened, open(file));
        codec::Sha256 hash;
        Bytes buffer(kReadBytes);
        std::uint64_t offset_bytes = 0;
        while (offset_bytes < file.stamp.size_bytes) {
            TRY(const std::size_t count, pread_full(opened.get(), buffer, offset_bytes));
            if (count == 0) {
                return fail(changed(file));
            }
            hash.update(ByteView{buffer}.first(count));
            offset_bytes += count;
        }
        if (offset_bytes != file.stamp.size_bytes) {
            return fail(changed(file));
        }
        digest = hash.finish();
        return {};
    }

    const LocalDirectory& directory_;       // both are used by running batches only,
    const std::vector<FileToHash>& files_;  // which wait() waits for
    const std::vector<Batch> batches_;
    std::vector<codec::Digest> digests_;  // each place is one batch's
    std::mutex mutex_;                    // guards what follows
    std::condition_variable ended_;
    std::size_t next_ = 0;
    std::size_t running_ = 0;
    std::optional<Error> failure_;
};

}  // namespace

Result<std::vector<codec::Digest>> hash_files(const LocalDirectory& directory,
                                              const std::vector<FileToHash>& files,
                                              Workers* workers) {
    const auto work = std::make_shared<Work>(directory, files);
    if (workers != nullptr && work->batches() > 1) {
        const std::size_t helpers = std::min(work->batches() - 1, kHelpersMax);
        for (std::size_t i = 0; i < helpers; ++i) {
            workers->submit([work] { work->run(); });
        }
    }
    work->run();
    return work->wait();
}

}  // namespace lazybuild::files
