// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/store/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "snapshotter/store/database.h"
#include "tests/unit/store/store_fixture.h"

namespace lazybuild::store {
namespace {

bool exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

class StoreRoot : public StoreFixture {};

TEST_F(StoreRoot, must_be_absolute) {
    EXPECT_ERROR(Store::open("relative/root"), std::errc::invalid_argument);
    EXPECT_ERROR(Store::open("/"), std::errc::invalid_argument);
}

TEST_F(StoreRoot, is_served_by_one_store_only_and_the_error_names_the_holder) {
    auto second = Store::open(root());
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, std::errc::device_or_resource_busy);
    EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
    store_.reset();
    EXPECT_TRUE(Store::open(root()).has_value());
}

TEST_F(StoreRoot, is_free_again_when_its_process_was_killed) {
    store_.reset();
    int ready[2];
    ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        auto held = Store::open(root());
        const char answer = held ? 'y' : 'n';
        (void)!::write(ready[1], &answer, 1);
        ::pause();
    }
    char answer = 0;
    ASSERT_EQ(::read(ready[0], &answer, 1), 1);
    EXPECT_EQ(answer, 'y');
    EXPECT_ERROR(Store::open(root()), std::errc::device_or_resource_busy);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(ready[0]);
    ::close(ready[1]);
    EXPECT_TRUE(Store::open(root()).has_value());
}

TEST_F(StoreRoot, forgets_nothing_when_opened_again) {
    ASSERT_TRUE(committed("base").has_value());
    const SnapshotRecord before = store_->stat_snapshot("base").value();
    ASSERT_TRUE(add_layer('a', 'b').has_value());
    reopen();
    const SnapshotRecord after = store_->stat_snapshot("base").value();
    EXPECT_EQ(after.id, before.id);
    EXPECT_EQ(after.created_at_ns, before.created_at_ns);
    EXPECT_EQ(store_->layers().value().size(), 1u);
}

TEST_F(StoreRoot, removes_directories_without_a_record_and_nothing_else) {
    const SnapshotRecord kept = prepare("kept").value();
    const LayerRecord layer = add_layer('a', 'b').value();
    const std::string half_made = store_->stage_snapshot().value();
    ASSERT_TRUE(make_directories(root() + "/snapshots/77/fs/deep").has_value());
    ASSERT_TRUE(make_directories(root() + "/layers/78").has_value());
    reopen();
    ASSERT_TRUE(store_->remove_unknown_directories().has_value());
    EXPECT_TRUE(exists(store_->snapshot_directory(kept.id)));
    EXPECT_TRUE(exists(store_->layer_directory(layer.id)));
    EXPECT_FALSE(exists(half_made));
    EXPECT_FALSE(exists(root() + "/snapshots/77"));
    EXPECT_FALSE(exists(root() + "/layers/78"));
}

TEST_F(StoreRoot, gives_no_number_that_a_directory_has) {
    ASSERT_TRUE(make_directories(root() + "/snapshots/41").has_value());
    reopen();
    EXPECT_EQ(prepare("next").value().id, SnapshotId{42});
}

TEST_F(StoreRoot, gives_no_number_twice) {
    const LayerId first = add_layer('a', 'b').value().id;
    ASSERT_TRUE(store_->delete_layer(first).has_value());
    reopen();
    EXPECT_GT(add_layer('a', 'b').value().id, first);
    const SnapshotId snapshot = prepare("one").value().id;
    ASSERT_TRUE(store_->remove_snapshot("one").has_value());
    ASSERT_TRUE(remove_tree(store_->snapshot_directory(snapshot)).has_value());
    EXPECT_GT(prepare("one").value().id, snapshot);
}

TEST_F(StoreRoot, refuses_the_database_of_a_newer_version) {
    store_.reset();
    {
        Database database = Database::open(root() + "/meta.db").value();
        ASSERT_TRUE(database.execute("PRAGMA user_version = 999").has_value());
    }
    EXPECT_ERROR(Store::open(root()), std::errc::not_supported);
    EXPECT_FALSE(exists(root() + "/meta.db.broken-1"));
}

TEST_F(StoreRoot, moves_a_foreign_database_aside) {
    store_.reset();
    ASSERT_TRUE(remove_tree(root()).has_value());
    ASSERT_TRUE(make_directories(root()).has_value());
    {
        Database database = Database::open(root() + "/meta.db").value();
        ASSERT_TRUE(
            database.execute("CREATE TABLE precious(x); PRAGMA user_version = 3").has_value());
    }
    reopen();
    Database aside = Database::open(root() + "/meta.db.broken-1").value();
    EXPECT_EQ(aside.number("SELECT count(*) FROM precious").value(), 0);
    EXPECT_TRUE(store_->snapshots().value().empty());
}

TEST_F(StoreRoot, moves_bytes_that_are_no_database_aside_each_time) {
    for (int round = 1; round <= 3; ++round) {
        store_.reset();
        for (const char* suffix : {"-wal", "-shm"}) {
            ::unlink((root() + "/meta.db" + suffix).c_str());
        }
        const std::string noise(5000, 'x');
        ASSERT_TRUE(replace_file(root() + "/meta.db", as_bytes(noise)).has_value());
        reopen();
        EXPECT_TRUE(exists(root() + "/meta.db.broken-" + std::to_string(round)));
        EXPECT_TRUE(committed("base").has_value());
    }
}

// Whatever length a crash or a full disk leaves: the store opens, and either knows all or nothing.
TEST_F(StoreRoot, opens_a_database_cut_anywhere) {
    for (int number = 0; number < 40; ++number) {
        ASSERT_TRUE(committed("snapshot-" + std::to_string(number)).has_value());
    }
    store_.reset();
    const std::string whole = read_file(root() + "/meta.db", 16 << 20).value();
    ASSERT_GT(whole.size(), 8192u);
    for (std::size_t size = 0; size < whole.size(); size += 3411) {
        test::TempDir other;
        const std::string cut = whole.substr(0, size);
        ASSERT_TRUE(replace_file(other.path() + "/meta.db", as_bytes(cut)).has_value());
        auto opened = Store::open(other.path());
        ASSERT_TRUE(opened.has_value()) << size << ": " << opened.error().message;
        const std::size_t known = (*opened)->snapshots().value().size();
        EXPECT_TRUE(known == 0 || known == 40) << size << " bytes: " << known;
        EXPECT_TRUE(known == 40 || exists(other.path() + "/meta.db.broken-1") || size == 0) << size;
    }
}

TEST_F(StoreRoot, keeps_the_snapshot_directories_of_a_lost_database) {
    const SnapshotId id = prepare("precious").value().id;
    const std::string file = store_->snapshot_directory(id) + "/written-by-a-container";
    ASSERT_TRUE(replace_file(file, as_bytes("data")).has_value());
    store_.reset();
    ::unlink((root() + "/meta.db").c_str());
    ::unlink((root() + "/meta.db-wal").c_str());
    ::unlink((root() + "/meta.db-shm").c_str());
    reopen();
    ASSERT_TRUE(store_->remove_unknown_directories().has_value());
    const std::string moved = root() + "/snapshots.broken-1/" +
                              std::to_string(std::to_underlying(id)) + "/written-by-a-container";
    EXPECT_EQ(read_file(moved, 100).value_or(""), "data");
    EXPECT_GT(prepare("next").value().id, id);
}

// A killed process leaves its dead FUSE mount there, and stat(2) of that fails.
TEST_F(StoreRoot, opens_whatever_lies_where_the_disks_are_mounted) {
    store_.reset();
    ASSERT_TRUE(replace_file(root() + "/disks", as_bytes("no directory")).has_value());
    EXPECT_TRUE(Store::open(root()).has_value());
}

class StoreLayers : public StoreFixture {};

TEST_F(StoreLayers, are_found_by_blob_and_toc_together) {
    const LayerRecord one = add_layer('a', 'b').value();
    const LayerRecord two = add_layer('a', 'c').value();
    EXPECT_EQ(store_->find_layer(digest_of('a'), digest_of('b')).value()->id, one.id);
    EXPECT_EQ(store_->find_layer(digest_of('a'), digest_of('c')).value()->id, two.id);
    EXPECT_FALSE(store_->find_layer(digest_of('a'), digest_of('d')).value().has_value());
    EXPECT_ERROR(add_layer('a', 'b'), std::errc::file_exists);
}

TEST_F(StoreLayers, take_the_staged_directory_with_them) {
    const std::string staged = store_->stage_layer().value();
    ASSERT_TRUE(replace_file(staged + "/tree.erofs", as_bytes("tree")).has_value());
    NewLayer layer;
    layer.blob = digest_of('a');
    layer.toc = digest_of('b');
    layer.blob_size_bytes = 17;
    layer.disk_size_bytes = 1u << 20;
    layer.diff_id_claimed = digest_of('c');
    layer.prefetch_end_bytes = 9;
    const LayerRecord record = store_->insert_layer(layer, staged).value();
    EXPECT_EQ(read_file(store_->layer_directory(record.id) + "/tree.erofs", 100).value(), "tree");
    EXPECT_FALSE(exists(staged));
    reopen();
    const LayerRecord again = store_->layer(record.id).value().value();
    EXPECT_EQ(again.blob_size_bytes, 17u);
    EXPECT_EQ(again.disk_size_bytes, 1u << 20);
    EXPECT_EQ(again.diff_id_claimed, digest_of('c'));
    EXPECT_FALSE(again.diff_id_verified.has_value());
    EXPECT_EQ(again.prefetch_end_bytes, 9u);
    EXPECT_EQ(again.state, LayerState::filling);
}

TEST_F(StoreLayers, leave_no_record_when_the_directory_is_not_there) {
    NewLayer layer;
    layer.blob = digest_of('a');
    layer.toc = digest_of('b');
    EXPECT_ERROR(store_->insert_layer(layer, root() + "/layers/nothing"), std::errc::io_error);
    EXPECT_TRUE(store_->layers().value().empty());
    EXPECT_TRUE(add_layer('a', 'b').has_value());
}

TEST_F(StoreLayers, become_complete_unless_quarantined) {
    const LayerId id = add_layer('a', 'b').value().id;
    ASSERT_TRUE(store_->set_layer_complete(id, digest_of('c')).has_value());
    EXPECT_EQ(store_->layer(id).value()->state, LayerState::complete);
    EXPECT_EQ(store_->layer(id).value()->diff_id_verified, digest_of('c'));
    ASSERT_TRUE(store_->quarantine_layer(id).has_value());
    EXPECT_ERROR(store_->set_layer_complete(id, digest_of('c')),
                 std::errc::operation_not_permitted);
    EXPECT_EQ(store_->layer(id).value()->state, LayerState::quarantined);
    EXPECT_ERROR(store_->set_layer_complete(LayerId{99}, digest_of('c')),
                 std::errc::no_such_file_or_directory);
    EXPECT_ERROR(store_->quarantine_layer(LayerId{99}), std::errc::no_such_file_or_directory);
}

TEST_F(StoreLayers, stay_while_a_snapshot_names_them) {
    const LayerId id = add_layer('a', 'b').value().id;
    ASSERT_TRUE(prepare("key").has_value());
    EXPECT_FALSE(store_->layer_in_use(id).value());
    ASSERT_TRUE(store_->commit_remote("key", "remote", {}, id).has_value());
    EXPECT_TRUE(store_->layer_in_use(id).value());
    EXPECT_ERROR(store_->delete_layer(id), std::errc::operation_not_permitted);
    EXPECT_TRUE(exists(store_->layer_directory(id)));
    ASSERT_TRUE(store_->remove_snapshot("remote").has_value());
    EXPECT_TRUE(store_->delete_layer(id).has_value());
    EXPECT_FALSE(exists(store_->layer_directory(id)));
    EXPECT_TRUE(store_->delete_layer(id).has_value()) << "a missing layer is fine";
}

TEST_F(StoreLayers, origins_are_kept_in_order_and_once) {
    const Origin registry{Origin::Kind::registry, "registry:5000", "app"};
    const Origin layout{Origin::Kind::oci_layout, "", "/srv/layout"};
    for (const Origin& origin : {registry, layout, registry}) {
        ASSERT_TRUE(store_->add_origin(digest_of('a'), origin).has_value());
    }
    EXPECT_EQ(store_->origins(digest_of('a')).value(), (std::vector{registry, layout}));
    EXPECT_TRUE(store_->origins(digest_of('b')).value().empty());
}

TEST_F(StoreLayers, origins_go_with_the_last_layer_of_their_blob) {
    const LayerId one = add_layer('a', 'b').value().id;
    const LayerId two = add_layer('a', 'c').value().id;
    const Origin origin{Origin::Kind::registry, "registry:5000", "app"};
    ASSERT_TRUE(store_->add_origin(digest_of('a'), origin).has_value());
    ASSERT_TRUE(store_->delete_layer(one).has_value());
    EXPECT_EQ(store_->origins(digest_of('a')).value().size(), 1u);
    ASSERT_TRUE(store_->delete_layer(two).has_value());
    EXPECT_TRUE(store_->origins(digest_of('a')).value().empty());
}

class StoreThreads : public StoreFixture {};

TEST_F(StoreThreads, may_create_commit_and_list_at_once) {
    constexpr int kThreads = 4;
    constexpr int kEach = 15;
    ASSERT_TRUE(committed("base").has_value());
    std::atomic<int> failures{0};
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([this, thread, &failures] {
            for (int round = 0; round < kEach; ++round) {
                const std::string name = std::to_string(thread) + "-" + std::to_string(round);
                failures += committed(name, "base").has_value() ? 0 : 1;
                failures += store_->snapshots().has_value() ? 0 : 1;
                failures += store_->chain(name).has_value() ? 0 : 1;
            }
        });
    }
    threads.clear();
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(store_->snapshots().value().size(), 1u + kThreads * kEach);
}

TEST_F(StoreThreads, give_one_name_to_one_of_them) {
    std::atomic<int> winners{0};
    for (int thread = 0; thread < 4; ++thread) {
        ASSERT_TRUE(prepare("key-" + std::to_string(thread)).has_value());
    }
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 4; ++thread) {
            threads.emplace_back([this, thread, &winners] {
                const std::string key = "key-" + std::to_string(thread);
                winners += store_->commit_snapshot(key, "name", {}, {}).has_value() ? 1 : 0;
            });
        }
    }
    EXPECT_EQ(winners, 1);
}

}  // namespace
}  // namespace lazybuild::store
