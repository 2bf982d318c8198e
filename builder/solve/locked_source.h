// SPDX-License-Identifier: Apache-2.0
// A FileSource that several steps use at once: one call at a time, whatever it is around.
#pragma once

#include <mutex>

#include "builder/layers/file_source.h"

namespace lazybuild::solve {

class LockedSource final : public layers::FileSource {
  public:
    /// `source` outlives it.
    explicit LockedSource(layers::FileSource& source) : source_(source) {}

    Result<std::optional<layers::FileInfo>> look(std::string_view path) override {
        const std::lock_guard lock(mutex_);
        return source_.look(path);
    }
    Result<std::vector<std::string>> list(std::string_view path) override {
        const std::lock_guard lock(mutex_);
        return source_.list(path);
    }
    Result<layers::ContentDigest> digest(std::string_view path) override {
        const std::lock_guard lock(mutex_);
        return source_.digest(path);
    }
    Result<std::vector<layers::ContentDigest>> digests(
        const std::vector<std::string>& paths) override {
        const std::lock_guard lock(mutex_);
        return source_.digests(paths);
    }
    void expect_digests(const std::vector<std::string>& paths) override {
        const std::lock_guard lock(mutex_);
        source_.expect_digests(paths);
    }
    void drop_kept_bytes() override {
        const std::lock_guard lock(mutex_);
        source_.drop_kept_bytes();
    }
    Result<std::unique_ptr<ByteSource>> open(std::string_view path) override {
        const std::lock_guard lock(mutex_);
        return source_.open(path);
    }
    std::string explain_absence(std::string_view path) override {
        const std::lock_guard lock(mutex_);
        return source_.explain_absence(path);
    }

  private:
    layers::FileSource& source_;
    std::mutex mutex_;
};

}  // namespace lazybuild::solve
