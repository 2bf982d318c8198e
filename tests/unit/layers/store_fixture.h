// SPDX-License-Identifier: Apache-2.0
// A LayerStore in a directory of its own, with the reactor that it wants, and layers made in it.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "builder/image/session.h"
#include "builder/layers/layer_store.h"
#include "tests/support/image_fixture.h"
#include "tests/unit/layers/test_layers.h"

namespace lazybuild::layers::test {

#define ASSERT_OK(what)                                                \
    do {                                                               \
        const auto& asserted = (what);                                 \
        ASSERT_TRUE(asserted.has_value()) << asserted.error().message; \
    } while (false)

/// Gone at the end. EROFS does not mount from tmpfs.
class StoreDirectory {
  public:
    StoreDirectory() {
        std::string pattern = "/var/tmp/lazybuild-layers-XXXXXX";
        EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
        path_ = pattern;
    }
    StoreDirectory(const StoreDirectory&) = delete;
    StoreDirectory& operator=(const StoreDirectory&) = delete;
    ~StoreDirectory() { EXPECT_TRUE(remove_tree(path_)); }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

/// Writes entries into a LayerMaker.
class Making {
  public:
    explicit Making(LayerStore& store) {
        auto maker = store.make_layer();
        EXPECT_TRUE(maker) << maker.error().message;
        maker_ = *std::move(maker);
    }
    Making& add(codec::LayerEntry entry, std::string_view content = "") {
        entry.size_bytes = content.size();
        MemorySource source{as_bytes(content)};
        const auto added = maker_->add(std::move(entry), &source);
        EXPECT_TRUE(added) << added.error().message;
        return *this;
    }
    Making& file(std::string path, std::string_view content, std::uint32_t mode = 0644) {
        return add({.path = std::move(path), .mode = mode, .mtime_s = 1'500'000'000}, content);
    }
    Making& directory(std::string path, std::uint32_t mode = 0755, std::uint32_t uid = 0) {
        return add({.type = FileType::directory,
                    .path = std::move(path),
                    .mode = mode,
                    .uid = uid,
                    .mtime_s = 1'600'000'000});
    }
    Making& symlink(std::string path, std::string target) {
        return add({.type = FileType::symlink,
                    .path = std::move(path),
                    .mode = 0777,
                    .link_target = std::move(target)});
    }
    Making& hardlink(std::string path, std::string target) {
        return add({.kind = LayerEntry::Kind::hardlink,
                    .path = std::move(path),
                    .link_target = std::move(target)});
    }
    LayerPointer finish() {
        auto layer = maker_->finish();
        EXPECT_TRUE(layer) << layer.error().message;
        return layer.value_or(nullptr);
    }

  private:
    std::unique_ptr<LayerMaker> maker_;
};

class StoreTest : public testing::Test {
  protected:
    void SetUp() override { open(); }

    void open() {
        auto session = image::Session::open({}, console_, 2);
        ASSERT_OK(session);
        session_ = *std::move(session);
        auto store = LayerStore::open(root(), *session_);
        ASSERT_OK(store);
        store_ = *std::move(store);
    }
    void reopen() {
        store_.reset();
        open();
    }
    std::string root() const { return directory_.path() + "/root"; }
    std::unique_ptr<LayerStore> open_another() {
        auto store = LayerStore::open(root(), *session_);
        EXPECT_TRUE(store) << store.error().message;
        return store ? *std::move(store) : nullptr;
    }
    LayerPointer find(const codec::Digest& id) {
        auto layer = store_->find(id);
        EXPECT_TRUE(layer) << layer.error().message;
        return layer.value_or(nullptr);
    }

    StoreDirectory directory_;
    cli::RecordingConsole console_;
    std::unique_ptr<image::Session> session_;
    std::unique_ptr<LayerStore> store_;
};

/// Where mounts are the process's own affair, when it may mount.
class MountingStoreTest : public StoreTest {
  protected:
    void SetUp() override {
        static const bool entered =
            ::geteuid() == 0 && ::unshare(CLONE_NEWNS) == 0 &&
            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
        root_ = entered && ::access("/dev/fuse", R_OK | W_OK) == 0;
        StoreTest::SetUp();
    }

    bool root_ = false;  ///< it may
};

}  // namespace lazybuild::layers::test
