// SPDX-License-Identifier: Apache-2.0
// A store in a temporary root, and the few values that its tests speak of.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/file.h"
#include "snapshotter/store/store.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::store {

/// sha256:<64 times `digit`>
inline codec::Digest digest_of(char digit) {
    return codec::Digest::parse("sha256:" + std::string(64, digit)).value();
}

class StoreFixture : public ::testing::Test {
  protected:
    void SetUp() override { reopen(); }

    void reopen() {
        store_.reset();
        auto opened = Store::open(root());
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        store_ = *std::move(opened);
    }

    std::string root() const { return directory_.path() + "/root"; }

    Result<SnapshotRecord> create(SnapshotKind kind, const std::string& key,
                                  const std::string& parent = "", const Labels& labels = {}) {
        TRY(const std::string staged, store_->stage_snapshot());
        return store_->create_snapshot(kind, key, parent, labels, staged);
    }
    Result<SnapshotRecord> prepare(const std::string& key, const std::string& parent = "") {
        return create(SnapshotKind::active, key, parent);
    }
    /// A committed snapshot over `parent`.
    Result<SnapshotRecord> committed(const std::string& name, const std::string& parent = "") {
        CHECK_OK(prepare(name + "-key", parent));
        return store_->commit_snapshot(name + "-key", name, {}, {});
    }
    Result<LayerRecord> add_layer(char blob, char toc) {
        TRY(const std::string staged, store_->stage_layer());
        NewLayer layer;
        layer.blob = digest_of(blob);
        layer.toc = digest_of(toc);
        layer.blob_size_bytes = 1000;
        layer.disk_size_bytes = 4096;
        return store_->insert_layer(layer, staged);
    }

    test::TempDir directory_;
    std::unique_ptr<Store> store_;
};

/// EXPECT_ERROR(result, std::errc::file_exists)
#define EXPECT_ERROR(result, condition)                                        \
    do {                                                                       \
        auto outcome = (result);                                               \
        ASSERT_FALSE(outcome.has_value());                                     \
        EXPECT_EQ(outcome.error().code, condition) << outcome.error().message; \
    } while (false)

}  // namespace lazybuild::store
