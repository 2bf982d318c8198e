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

}  // namespace

/// What the threads share. Whoever comes late finds no batch left and goes.
class HashWork {
  public:
    HashWork(const LocalDirectory& directory, std::vector<FileToHash> files,
             std::uint64_t kept_bytes_max)
        : directory_(directory),
          files_(std::move(files)),
          batches_(cut(files_)),
          hashed_(files_.size()),
          kept_bytes_rest_(kept_bytes_max) {}

    std::size_t batches() const { return batches_.size(); }

    void run() {
        while (const auto batch = take()) {
            auto done = hash(*batch);
            give_back(done);
        }
    }

    /// Once run() has returned: waits for the batches that others have taken.
    Result<std::vector<HashedFile>> wait() {
        std::unique_lock lock{mutex_};
        ended_.wait(lock, [this] { return running_ == 0; });
        if (failure_) {
            return fail(*std::move(failure_));
        }
        return std::move(hashed_);
    }

    /// No more batches are begun.
    void stop() {
        const std::lock_guard lock{mutex_};
        next_ = batches_.size();
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
            return hash_large(first, hashed_[batch.first].digest);
        }
        std::uint64_t size_bytes = 0;
        for (std::size_t i = 0; i < batch.count; ++i) {
            size_bytes += files_[batch.first + i].stamp.size_bytes;
        }
        auto block = std::make_shared<Bytes>(size_bytes);
        std::vector<ByteView> views;
        views.reserve(batch.count);
        MutableByteView rest{*block};
        for (std::size_t i = 0; i < batch.count; ++i) {
            const FileToHash& file = files_[batch.first + i];
            const MutableByteView content = rest.first(file.stamp.size_bytes);
            rest = rest.subspan(content.size());
            CHECK_OK(read_small(file, content));
            views.emplace_back(content);
        }
        std::vector<codec::Digest> digests(batch.count);
        codec::sha256_each(views, digests);
        const std::shared_ptr<const Bytes> kept = may_keep(size_bytes) ? block : nullptr;
        std::size_t begin_bytes = 0;
        for (std::size_t i = 0; i < batch.count; ++i) {
            hashed_[batch.first + i] = {.digest = digests[i],
                                        .kept = {.block = kept, .begin_bytes = begin_bytes}};
            begin_bytes += views[i].size();
        }
        return {};
    }

    bool may_keep(std::uint64_t size_bytes) {
        const std::lock_guard lock{mutex_};
        if (size_bytes > kept_bytes_rest_) {
            return false;
        }
        kept_bytes_rest_ -= size_bytes;
        return true;
    }

    /// Behind the reading: what was written to while it was read has another stamp, too.
    Result<void> check(const Fd& opened, const FileToHash& file) const {
        TRY(const struct stat status, directory_.status_of(opened, file.path));
        const bool same = S_ISREG(status.st_mode) && stamp_of(status) == file.stamp;
        return same ? Result<void>{} : fail(changed(file));
    }

    Result<void> read_small(const FileToHash& file, MutableByteView content) const {
        TRY(const Fd opened, directory_.open_seen(file.path));
        const auto count = pread_full(opened.get(), content, 0);
        CHECK_OK(check(opened, file));  // first: reading what took its place may have failed
        if (!count) {
            return fail(Error{count.error()}.context(file.path));
        }
        return *count == content.size() ? Result<void>{} : fail(changed(file));
    }

    Result<void> hash_large(const FileToHash& file, codec::Digest& digest) const {
        TRY(const Fd opened, directory_.open_seen(file.path));
        CHECK_OK(check(opened, file));
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
        CHECK_OK(check(opened, file));
        if (offset_bytes != file.stamp.size_bytes) {
            return fail(changed(file));
        }
        digest = hash.finish();
        return {};
    }

    const LocalDirectory& directory_;  // used by running batches only, which wait() waits for
    const std::vector<FileToHash> files_;
    const std::vector<Batch> batches_;
    std::vector<HashedFile> hashed_;  // each place is one batch's
    std::mutex mutex_;                // guards what follows
    std::uint64_t kept_bytes_rest_;
    std::condition_variable ended_;
    std::size_t next_ = 0;
    std::size_t running_ = 0;
    std::optional<Error> failure_;
};

std::shared_ptr<HashWork> begin_to_hash(const LocalDirectory& directory,
                                        std::vector<FileToHash> files, std::uint64_t kept_bytes_max,
                                        Workers* workers) {
    auto work = std::make_shared<HashWork>(directory, std::move(files), kept_bytes_max);
    const std::size_t helpers = workers == nullptr ? 0 : std::min(work->batches(), kHelpersMax);
    for (std::size_t i = 0; i < helpers; ++i) {
        workers->submit([work] { work->run(); });
    }
    return work;
}

Result<std::vector<HashedFile>> finish_hashing(HashWork& work) {
    work.run();
    return work.wait();
}

void stop_hashing(HashWork& work) {
    work.stop();
    [[maybe_unused]] const auto ended = work.wait();
}

}  // namespace lazybuild::files
