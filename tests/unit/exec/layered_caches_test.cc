// SPDX-License-Identifier: Apache-2.0
// Cache mounts on layers, and layers of cache mounts, with real layers and real overlays.
#include "builder/exec/layered_caches.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <future>
#include <string>
#include <vector>

#include "base/file.h"
#include "builder/exec/cache_layers.h"
#include "builder/exec/cache_mounts.h"
#include "tests/unit/layers/store_fixture.h"

namespace lazybuild::exec {
namespace {

using graph::RunMount;

class LayeredCaches : public layers::test::StoreTest {
  protected:
    void SetUp() override {
        if (::geteuid() != 0 || ::unshare(CLONE_NEWNS) != 0 ||
            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
            GTEST_SKIP() << "needs root and CAP_SYS_ADMIN to mount";
        }
        StoreTest::SetUp();
        open_caches();
    }
    void open_caches() {
        caches_ = std::make_unique<exec::LayeredCaches>(
            *store_, exec::LayeredCaches::Options{
                         .imported = [this](const codec::Digest&) { return imported_; },
                         .source = {},
                         .warn = [this](const std::string& text) { warnings_.push_back(text); }});
    }
    CacheRequest request() const {
        return {.root = store_->root(),
                .mount = mount_,
                .seed = {},
                .cancel = {},
                .layered = caches_.get()};
    }
    CacheMount acquire() {
        auto cache = acquire_cache(request());
        EXPECT_TRUE(cache) << cache.error().message;
        return cache ? *std::move(cache) : CacheMount{};
    }
    static void write(const CacheMount& cache, const char* name, std::string_view text) {
        const Fd file{::openat(cache.tree.get(), name, O_WRONLY | O_CREAT | O_TRUNC, 0644)};
        EXPECT_TRUE(write_all(file.get(), as_bytes(text)));
    }
    /// "-" when there is nothing. Layers that are here may be looked into.
    static std::string read(const CacheMount& cache, const std::string& name) {
        return read_file(fmt::format("/proc/self/fd/{}/{}", cache.tree.get(), name), 1000)
            .value_or("-");
    }
    std::vector<codec::Digest> exported() {
        auto ids = cache_layers(*caches_, cache_key(request()), {});
        EXPECT_TRUE(ids) << ids.error().message;
        return ids ? ids->value_or(std::vector<codec::Digest>{}) : std::vector<codec::Digest>{};
    }
    /// Names at the top of a layer, in order.
    std::string names(const codec::Digest& id) {
        const auto tree = find(id)->tree();
        EXPECT_TRUE(tree) << tree.error().message;
        std::string text;
        for (const codec::DirectoryEntry& entry : (*tree)->nodes[codec::kRootNode].entries) {
            text += entry.name + " ";
        }
        return text;
    }
    void import_layer() {
        layers::test::Making making{*store_};
        making.file("old", "from elsewhere").directory("d").file("d/f", "1").file("gone", "2");
        imported_ = {making.finish()->id()};
    }

    RunMount mount_{.type = RunMount::Type::cache, .id = "id"};
    std::vector<codec::Digest> imported_;
    std::vector<std::string> warnings_;
    std::unique_ptr<exec::LayeredCaches> caches_;
};

TEST_F(LayeredCaches, begin_with_the_files_of_an_imported_cache) {
    import_layer();
    mount_.mode = 0770;
    mount_.uid = 7;
    {
        const CacheMount cache = acquire();
        ASSERT_NE(cache.layered, nullptr);
        EXPECT_EQ(read(cache, "old"), "from elsewhere");
        struct stat status{};
        ASSERT_EQ(::fstat(cache.tree.get(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777, 0770U);
        EXPECT_EQ(status.st_uid, 7U);
        write(cache, "new", "written here");
        EXPECT_EQ(::unlinkat(cache.tree.get(), "gone", 0), 0);
        const CacheMount shared = acquire();
        EXPECT_EQ(shared.layered, cache.layered);
        EXPECT_EQ(read(shared, "new"), "written here");
    }
    imported_.clear();
    open_caches();
    const CacheMount again = acquire();
    EXPECT_EQ(read(again, "old") + read(again, "new") + read(again, "gone"),
              "from elsewherewritten here-");
    EXPECT_TRUE(warnings_.empty());
}

TEST_F(LayeredCaches, that_are_here_already_stay_what_they_are) {
    write(acquire(), "mine", "1");
    import_layer();
    const CacheMount cache = acquire();
    EXPECT_EQ(cache.layered, nullptr);
    EXPECT_EQ(read(cache, "mine") + read(cache, "old"), "1-");
}

TEST_F(LayeredCaches, begin_empty_when_a_layer_cannot_be_had) {
    imported_ = {codec::Digest{}};
    EXPECT_EQ(acquire().layered, nullptr);
    ASSERT_EQ(warnings_.size(), 1U);
    EXPECT_TRUE(warnings_[0].starts_with("cache mount id begins empty: ")) << warnings_[0];
}

TEST_F(LayeredCaches, are_forgotten_when_their_layers_have_gone) {
    import_layer();
    write(acquire(), "new", "1");
    const std::string base = cache_directory(store_->root(), cache_key(request())) + "/base";
    auto known = read_cache_base(base);
    ASSERT_TRUE(known && *known);
    (*known)->layers[0].id = codec::Digest{};
    ASSERT_TRUE(write_cache_base(base, **known));
    const CacheMount cache = acquire();
    EXPECT_EQ(cache.layered, nullptr);
    EXPECT_EQ(read(cache, "new") + read(cache, "old"), "--");
    EXPECT_EQ(warnings_.size(), 1U);
}

TEST_F(LayeredCaches, wait_for_another_process_that_has_them_mounted) {
    import_layer();
    auto cache = std::make_unique<CacheMount>(acquire());
    exec::LayeredCaches others{*store_, {}};
    auto waiting = std::async(std::launch::async, [&] {
        CacheRequest wanted = request();
        wanted.layered = &others;
        return acquire_cache(wanted);
    });
    write(*cache, "new", "1");
    EXPECT_EQ(waiting.wait_for(std::chrono::milliseconds{200}), std::future_status::timeout);
    cache.reset();
    const auto second = waiting.get();
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(read(*second, "new"), "1");
}

TEST_F(LayeredCaches, become_layers_of_what_has_changed) {
    EXPECT_TRUE(exported().empty());
    write(acquire(), "a", "1");
    write(acquire(), "b", "2");
    EXPECT_EQ(::mknodat(acquire().tree.get(), "fifo", S_IFIFO | 0600, 0), 0);
    const auto first = exported();
    ASSERT_EQ(first.size(), 1U);
    EXPECT_EQ(names(first[0]), "a b ");
    EXPECT_EQ(exported(), first);
    EXPECT_EQ(::unlinkat(acquire().tree.get(), "b", 0), 0);
    write(acquire(), "c", "3");
    const auto second = exported();
    ASSERT_EQ(second.size(), 2U);
    EXPECT_EQ(second[0], first[0]);
    imported_ = second;
    mount_.id = "other";
    const CacheMount travelled = acquire();
    EXPECT_EQ(read(travelled, "a") + read(travelled, "b") + read(travelled, "c"), "1-3");
}

TEST_F(LayeredCaches, become_their_layers_and_what_was_written_on_them) {
    import_layer();
    {
        const CacheMount untouched = acquire();
    }
    EXPECT_EQ(exported(), imported_);
    write(acquire(), "new", "1");
    const auto ids = exported();
    ASSERT_EQ(ids.size(), 2U);
    EXPECT_EQ(ids[0], imported_[0]);
    EXPECT_EQ(names(ids[1]), "new ");
    EXPECT_EQ(exported(), ids);
}

TEST_F(LayeredCaches, become_one_layer_when_they_are_many) {
    for (std::size_t i = 0; i < kExportedCacheLayersMax; ++i) {
        layers::test::Making making{*store_};
        making.file(fmt::format("f{}", i), "x");
        imported_.push_back(making.finish()->id());
    }
    write(acquire(), "new", "1");
    const auto ids = exported();
    ASSERT_EQ(ids.size(), 1U);
    EXPECT_EQ(names(ids[0]), "f0 f1 f2 f3 f4 f5 f6 f7 new ");
}

TEST_F(LayeredCaches, that_are_too_large_stay_here) {
    write(acquire(), "a", "12345");
    const auto ids = cache_layers(*caches_, cache_key(request()), {}, 4);
    ASSERT_FALSE(ids);
    EXPECT_EQ(ids.error().code, std::errc::argument_out_of_domain);
}

}  // namespace
}  // namespace lazybuild::exec
