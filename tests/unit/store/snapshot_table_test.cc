// SPDX-License-Identifier: Apache-2.0
// The rules of containerd's metadata store, one by one (reference C.2).
#include <sys/stat.h>

#include "snapshotter/store/store.h"
#include "tests/unit/store/store_fixture.h"

namespace lazybuild::store {
namespace {

class Snapshots : public StoreFixture {};

TEST_F(Snapshots, are_numbered_from_one_and_name_their_directories) {
    const SnapshotRecord one = prepare("one").value();
    const SnapshotRecord two = prepare("two").value();
    EXPECT_EQ(one.id, SnapshotId{1});
    EXPECT_EQ(two.id, SnapshotId{2});
    struct stat status{};
    EXPECT_EQ(::stat((root() + "/snapshots/2").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777u, 0711u);
}

TEST_F(Snapshots, keep_what_they_were_created_with) {
    ASSERT_TRUE(committed("base").has_value());
    const Labels labels{{"a", "1"}, {"quoted \"key\"", "välue\n"}};
    ASSERT_TRUE(create(SnapshotKind::view, "view", "base", labels).has_value());
    const SnapshotRecord record = store_->stat_snapshot("view").value();
    EXPECT_EQ(record.kind, SnapshotKind::view);
    EXPECT_EQ(record.parent, "base");
    EXPECT_EQ(record.labels, labels);
    EXPECT_EQ(record.created_at_ns, record.updated_at_ns);
    EXPECT_GT(record.created_at_ns, 0);
    EXPECT_FALSE(record.layer.has_value());
}

TEST_F(Snapshots, refuse_a_key_that_is_taken) {
    ASSERT_TRUE(prepare("key").has_value());
    EXPECT_ERROR(prepare("key"), std::errc::file_exists);
    ASSERT_TRUE(committed("name").has_value());
    EXPECT_ERROR(prepare("name"), std::errc::file_exists);
}

TEST_F(Snapshots, refuse_an_empty_key_or_name) {
    EXPECT_ERROR(prepare(""), std::errc::invalid_argument);
    ASSERT_TRUE(prepare("key").has_value());
    EXPECT_ERROR(store_->commit_snapshot("key", "", {}, {}), std::errc::invalid_argument);
}

TEST_F(Snapshots, refuse_a_parent_that_is_missing_or_not_committed) {
    EXPECT_ERROR(prepare("key", "nobody"), std::errc::no_such_file_or_directory);
    ASSERT_TRUE(prepare("active").has_value());
    EXPECT_ERROR(prepare("key", "active"), std::errc::invalid_argument);
    EXPECT_ERROR(create(SnapshotKind::view, "key", "active"), std::errc::invalid_argument);
}

TEST_F(Snapshots, keep_their_number_and_lose_their_key_and_labels_when_committed) {
    const SnapshotRecord active = create(SnapshotKind::active, "key", "", {{"old", "1"}}).value();
    const SnapshotRecord done =
        store_->commit_snapshot("key", "name", {{"new", "2"}}, {.size_bytes = 7, .inodes = 3})
            .value();
    EXPECT_EQ(done.id, active.id);
    EXPECT_EQ(done.kind, SnapshotKind::committed);
    EXPECT_EQ(done.labels, (Labels{{"new", "2"}}));
    EXPECT_EQ(done.usage, (Usage{.size_bytes = 7, .inodes = 3}));
    EXPECT_EQ(done.created_at_ns, done.updated_at_ns);
    EXPECT_GE(done.created_at_ns, active.created_at_ns);
    EXPECT_ERROR(store_->stat_snapshot("key"), std::errc::no_such_file_or_directory);
}

TEST_F(Snapshots, commit_only_what_is_active_under_a_free_name) {
    ASSERT_TRUE(committed("base").has_value());
    ASSERT_TRUE(create(SnapshotKind::view, "view", "base").has_value());
    ASSERT_TRUE(prepare("key").has_value());
    EXPECT_ERROR(store_->commit_snapshot("key", "base", {}, {}), std::errc::file_exists);
    EXPECT_ERROR(store_->commit_snapshot("nobody", "x", {}, {}),
                 std::errc::no_such_file_or_directory);
    EXPECT_ERROR(store_->commit_snapshot("view", "x", {}, {}), std::errc::operation_not_permitted);
    EXPECT_ERROR(store_->commit_snapshot("base", "x", {}, {}), std::errc::operation_not_permitted);
    EXPECT_EQ(store_->stat_snapshot("key")->kind, SnapshotKind::active);
}

TEST_F(Snapshots, with_children_cannot_be_removed) {
    ASSERT_TRUE(committed("base").has_value());
    ASSERT_TRUE(prepare("child", "base").has_value());
    auto removed = store_->remove_snapshot("base");
    ASSERT_FALSE(removed.has_value());
    EXPECT_EQ(removed.error().code, std::errc::operation_not_permitted);
    EXPECT_NE(removed.error().message.find("cannot remove snapshot with child"), std::string::npos);
    ASSERT_TRUE(store_->remove_snapshot("child").has_value());
    EXPECT_TRUE(store_->remove_snapshot("base").has_value());
    EXPECT_ERROR(store_->remove_snapshot("base"), std::errc::no_such_file_or_directory);
}

TEST_F(Snapshots, replace_all_labels_or_merge_some) {
    ASSERT_TRUE(create(SnapshotKind::active, "key", "", {{"a", "1"}, {"b", "2"}}).has_value());
    const SnapshotRecord before = store_->stat_snapshot("key").value();
    const SnapshotRecord merged =
        store_->merge_labels("key", {{"a", ""}, {"c", "3"}, {"missing", ""}}).value();
    EXPECT_EQ(merged.labels, (Labels{{"b", "2"}, {"c", "3"}}));
    EXPECT_EQ(merged.created_at_ns, before.created_at_ns);
    EXPECT_GT(merged.updated_at_ns, before.updated_at_ns);
    ASSERT_TRUE(store_->replace_labels("key", {{"d", "4"}}).has_value());
    EXPECT_EQ(store_->stat_snapshot("key")->labels, (Labels{{"d", "4"}}));
    EXPECT_ERROR(store_->replace_labels("x", {}), std::errc::no_such_file_or_directory);
    EXPECT_ERROR(store_->merge_labels("x", {}), std::errc::no_such_file_or_directory);
}

TEST_F(Snapshots, drop_labels_without_a_value) {
    ASSERT_TRUE(create(SnapshotKind::active, "key", "", {{"a", ""}, {"b", "1"}}).has_value());
    EXPECT_EQ(store_->stat_snapshot("key")->labels, (Labels{{"b", "1"}}));
    EXPECT_EQ(store_->replace_labels("key", {{"c", ""}})->labels, Labels{});
    ASSERT_TRUE(store_->commit_snapshot("key", "name", {{"d", ""}, {"e", "2"}}, {}).has_value());
    EXPECT_EQ(store_->stat_snapshot("name")->labels, (Labels{{"e", "2"}}));
}

TEST_F(Snapshots, survive_the_commit_of_their_labels_to_json_and_back) {
    Labels labels;
    for (int number = 0; number < 200; ++number) {
        labels.emplace("key/" + std::to_string(number), std::string(500, 'v'));
    }
    ASSERT_TRUE(create(SnapshotKind::active, "key", "", labels).has_value());
    EXPECT_EQ(store_->stat_snapshot("key")->labels, labels);
}

TEST_F(Snapshots, chain_runs_from_top_to_bottom) {
    ASSERT_TRUE(committed("a").has_value());
    ASSERT_TRUE(committed("b", "a").has_value());
    ASSERT_TRUE(prepare("c", "b").has_value());
    std::vector<std::string> names;
    for (const SnapshotRecord& record : store_->chain("c").value()) {
        names.push_back(record.name);
    }
    EXPECT_EQ(names, (std::vector<std::string>{"c", "b", "a"}));
    EXPECT_ERROR(store_->chain("x"), std::errc::no_such_file_or_directory);
}

TEST_F(Snapshots, chain_of_128_is_whole) {
    std::string parent;
    for (int depth = 0; depth < 128; ++depth) {
        const std::string name = "layer-" + std::to_string(depth);
        ASSERT_TRUE(committed(name, parent).has_value());
        parent = name;
    }
    EXPECT_EQ(store_->chain(parent)->size(), 128u);
}

class RemoteSnapshots : public StoreFixture {
  protected:
    Result<SnapshotRecord> remote(const std::string& name, const std::string& parent,
                                  const std::string& ref, LayerId layer) {
        CHECK_OK(prepare(name + "-key", parent));
        return store_->commit_remote(name + "-key", name, {{std::string{kSnapshotRefLabel}, ref}},
                                     layer);
    }
};

TEST_F(RemoteSnapshots, are_found_by_reference_and_parent) {
    const LayerId layer = add_layer('a', 'b').value().id;
    ASSERT_TRUE(remote("one", "", "sha256:chain", layer).has_value());
    ASSERT_TRUE(remote("two", "one", "sha256:chain", layer).has_value());
    EXPECT_EQ(store_->find_remote("sha256:chain", "").value()->name, "one");
    EXPECT_EQ(store_->find_remote("sha256:chain", "one").value()->name, "two");
    EXPECT_FALSE(store_->find_remote("sha256:chain", "two").value().has_value());
    EXPECT_FALSE(store_->find_remote("sha256:other", "").value().has_value());
    EXPECT_EQ(store_->stat_snapshot("two")->layer, layer);
}

TEST_F(RemoteSnapshots, are_not_what_was_committed_in_the_normal_way) {
    ASSERT_TRUE(prepare("key").has_value());
    const Labels labels{{std::string{kSnapshotRefLabel}, "sha256:chain"}};
    ASSERT_TRUE(store_->commit_snapshot("key", "name", labels, {}).has_value());
    EXPECT_FALSE(store_->find_remote("sha256:chain", "").value().has_value());
}

TEST_F(RemoteSnapshots, need_their_layer) {
    ASSERT_TRUE(prepare("key").has_value());
    EXPECT_ERROR(store_->commit_remote("key", "name", {}, LayerId{9}),
                 std::errc::no_such_file_or_directory);
    EXPECT_EQ(store_->stat_snapshot("key")->kind, SnapshotKind::active);
}

TEST_F(RemoteSnapshots, may_be_given_another_layer) {
    const LayerId one = add_layer('a', 'b').value().id;
    const LayerId two = add_layer('c', 'd').value().id;
    const SnapshotRecord snapshot = remote("name", "", "ref", one).value();
    ASSERT_TRUE(store_->set_snapshot_layer(snapshot.id, two).has_value());
    EXPECT_EQ(store_->stat_snapshot("name")->layer, two);
    EXPECT_FALSE(store_->layer_in_use(one).value());
    const SnapshotId normal = prepare("key").value().id;
    EXPECT_ERROR(store_->set_snapshot_layer(normal, two), std::errc::no_such_file_or_directory);
}

}  // namespace
}  // namespace lazybuild::store
