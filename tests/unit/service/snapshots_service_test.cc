// SPDX-License-Identifier: Apache-2.0
// Normal snapshots: the RPCs of reference C.1 with the semantics of C.2 and C.5, asked for over the
// socket, and mounted as containerd would.
#include "snapshotter/service/snapshots_service.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <set>

#include "tests/unit/service/service_fixture.h"

namespace lazybuild::service {
namespace {

class SnapshotsServiceTest : public ServiceFixture {};

TEST_F(SnapshotsServiceTest, layers_files_as_overlayfs_does) {
    Mounts mounts;
    ASSERT_CALL(prepare("base-key", "", &mounts));
    ASSERT_EQ(mounts.size(), 1);
    EXPECT_EQ(mounts[0].type(), "bind");
    const std::string base = mount_all(mounts);
    write_text(base + "/kept", "base");
    write_text(base + "/changed", "base");
    write_text(base + "/deleted", "base");
    unmount_all();
    ASSERT_CALL(commit("base", "base-key"));

    ASSERT_CALL(prepare("top-key", "base", &mounts));
    ASSERT_EQ(mounts[0].type(), "overlay");
    const std::string top = mount_all(mounts);
    EXPECT_EQ(text_of(top + "/kept"), "base");
    write_text(top + "/changed", "top");
    EXPECT_EQ(::unlink((top + "/deleted").c_str()), 0);
    unmount_all();
    ASSERT_CALL(commit("top", "top-key"));

    ASSERT_CALL(view("look", "top", &mounts));
    const std::string seen = mount_all(mounts);
    EXPECT_EQ(text_of(seen + "/kept"), "base");
    EXPECT_EQ(text_of(seen + "/changed"), "top");
    EXPECT_NE(::access((seen + "/deleted").c_str(), F_OK), 0);
    EXPECT_LT(::open((seen + "/new").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600), 0);
    EXPECT_EQ(errno, EROFS);
    unmount_all();

    ASSERT_CALL(view("below", "base", &mounts));
    EXPECT_EQ(mounts[0].type(), "bind") << "one directory needs no overlay";
    const std::string below = mount_all(mounts);
    EXPECT_EQ(text_of(below + "/changed"), "base");
    EXPECT_EQ(text_of(below + "/deleted"), "base");
}

TEST_F(SnapshotsServiceTest, gives_the_options_of_the_kernel_and_short_paths) {
    ASSERT_CALL(prepare("a-key", ""));
    ASSERT_CALL(commit("a", "a-key"));
    ASSERT_CALL(prepare("b-key", "a"));
    ASSERT_CALL(commit("b", "b-key"));
    Mounts prepared;
    ASSERT_CALL(prepare("c", "b", &prepared));
    const std::string root = directory_.path() + "/root/snapshots/";
    EXPECT_EQ(std::vector<std::string>(prepared[0].options().begin(), prepared[0].options().end()),
              (std::vector<std::string>{"index=off", "redirect_dir=nofollow",
                                        "workdir=" + root + "3/work", "upperdir=" + root + "3/fs",
                                        "lowerdir=" + root + "2/fs:" + root + "1/fs"}));
    Mounts again;
    ASSERT_CALL(mounts("c", &again));
    EXPECT_EQ(again[0].SerializeAsString(), prepared[0].SerializeAsString());
}

TEST_F(SnapshotsServiceTest, top_directory_is_open_to_all_and_owned_as_the_parents) {
    const mode_t before = ::umask(077);
    Mounts mounts;
    ASSERT_CALL(prepare("base-key", "", &mounts));
    struct stat status{};
    ASSERT_EQ(::stat(mounts[0].source().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777u, 0755u);
    ASSERT_EQ(::chown(mounts[0].source().c_str(), 1000, 1001), 0);
    ASSERT_CALL(commit("base", "base-key"));
    ASSERT_CALL(prepare("top", "base", &mounts));
    ASSERT_EQ(::stat(mount_all(mounts).c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 1000u);
    EXPECT_EQ(status.st_gid, 1001u);
    ::umask(before);
}

TEST_F(SnapshotsServiceTest, answers_with_containerds_codes) {
    ASSERT_CALL(prepare("active", ""));
    EXPECT_CODE(prepare("active", ""), ALREADY_EXISTS);
    EXPECT_CODE(prepare("x", "nobody"), NOT_FOUND);
    EXPECT_CODE(prepare("x", "active"), INVALID_ARGUMENT);
    EXPECT_CODE(view("x", "active"), INVALID_ARGUMENT);
    EXPECT_CODE(prepare("", ""), INVALID_ARGUMENT);
    EXPECT_CODE(mounts("nobody"), NOT_FOUND);
    EXPECT_CODE(stat("nobody"), NOT_FOUND);
    EXPECT_CODE(remove("nobody"), NOT_FOUND);
    EXPECT_CODE(commit("name", "nobody"), NOT_FOUND);
    snapshots_api::UsageResponse response;
    EXPECT_CODE(usage("nobody", &response), NOT_FOUND);

    ASSERT_CALL(commit("base", "active"));
    EXPECT_CODE(mounts("base"), FAILED_PRECONDITION);
    EXPECT_CODE(commit("again", "base"), FAILED_PRECONDITION);
    ASSERT_CALL(prepare("child", "base"));
    EXPECT_CODE(commit("base", "child"), ALREADY_EXISTS);
    const grpc::Status refused = remove("base");
    EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_NE(refused.error_message().find("remove"), std::string::npos);
}

TEST_F(SnapshotsServiceTest, failed_prepares_leave_nothing_behind) {
    ASSERT_CALL(prepare("key", ""));
    EXPECT_CODE(prepare("key", ""), ALREADY_EXISTS);
    EXPECT_CODE(prepare("x", "key"), INVALID_ARGUMENT);
    struct stat status{};
    const std::string directory = directory_.path() + "/root/snapshots";
    ASSERT_EQ(::stat(directory.c_str(), &status), 0);
    EXPECT_EQ(status.st_nlink, 3u) << "one directory in it, that of key";
}

TEST_F(SnapshotsServiceTest, removes_the_directory) {
    Mounts mounts;
    ASSERT_CALL(prepare("key", "", &mounts));
    const std::string content = mounts[0].source();
    write_text(content + "/file", "x");
    ASSERT_CALL(remove("key"));
    EXPECT_CODE(stat("key"), NOT_FOUND);
    ASSERT_CALL(cleanup());
    EXPECT_NE(::access(content.c_str(), F_OK), 0);
}

// As if the daemon had been killed between the removal of the record and of what it named.
TEST_F(SnapshotsServiceTest, cleans_at_the_next_start_what_was_removed_and_not_cleaned) {
    Mounts mounts;
    ASSERT_CALL(prepare("key", "", &mounts));
    const std::string content = mounts[0].source();
    write_text(content + "/file", "x");
    ASSERT_EQ(::mount("none", content.c_str(), "tmpfs", 0, nullptr), 0);
    ASSERT_CALL(prepare("kept", "", &mounts));
    write_text(mounts[0].source() + "/file", "y");
    ASSERT_TRUE(running_->store().remove_snapshot("key").has_value());
    restart();
    EXPECT_NE(::access(content.c_str(), F_OK), 0);
    EXPECT_EQ(text_of(mounts[0].source() + "/file"), "y");
}

TEST_F(SnapshotsServiceTest, gives_a_removed_key_to_whoever_asks_next) {
    ASSERT_CALL(prepare("key", ""));
    ASSERT_CALL(remove("key"));
    ASSERT_CALL(view("key", ""));
    ASSERT_CALL(remove("key"));
    ASSERT_CALL(prepare("key", ""));
    ASSERT_CALL(commit("name", "key"));
    ASSERT_CALL(cleanup());
    EXPECT_CODE(prepare("child", "name"), OK);
}

TEST_F(SnapshotsServiceTest, measures_usage_live_then_as_committed) {
    Mounts mounts;
    ASSERT_CALL(prepare("key", "", &mounts));
    const std::string content = mounts[0].source();
    snapshots_api::UsageResponse empty;
    ASSERT_CALL(usage("key", &empty));
    EXPECT_EQ(empty.inodes(), 1) << "fs/ itself";
    write_text(content + "/a", std::string(100'000, 'x'));
    ASSERT_EQ(::link((content + "/a").c_str(), (content + "/b").c_str()), 0);
    snapshots_api::UsageResponse live;
    ASSERT_CALL(usage("key", &live));
    EXPECT_EQ(live.inodes(), 2) << "a hard link is no inode more";
    EXPECT_GE(live.size(), empty.size() + 100'000);
    EXPECT_LT(live.size(), empty.size() + 200'000);
    ASSERT_CALL(commit("name", "key"));
    snapshots_api::UsageResponse committed;
    ASSERT_CALL(usage("name", &committed));
    EXPECT_EQ(committed.SerializeAsString(), live.SerializeAsString());
    ASSERT_CALL(view("view", "name"));
    snapshots_api::UsageResponse of_view;
    ASSERT_CALL(usage("view", &of_view));
    EXPECT_EQ(of_view.size(), 0);
}

TEST_F(SnapshotsServiceTest, stat_says_what_it_is) {
    ASSERT_CALL(prepare("key", "", nullptr, {{"a", "1"}}));
    snapshots_api::Info info;
    ASSERT_CALL(stat("key", &info));
    EXPECT_EQ(info.kind(), snapshots_api::ACTIVE);
    EXPECT_EQ(info.labels().at("a"), "1");
    EXPECT_EQ(info.created_at().SerializeAsString(), info.updated_at().SerializeAsString());
    EXPECT_GT(info.created_at().seconds(), 1'600'000'000);
    ASSERT_CALL(commit("name", "key", {{"b", "2"}}));
    ASSERT_CALL(stat("name", &info));
    EXPECT_EQ(info.kind(), snapshots_api::COMMITTED);
    EXPECT_EQ(info.labels().size(), 1u) << "labels are not inherited by a commit";
    EXPECT_EQ(info.labels().at("b"), "2");
    ASSERT_CALL(view("view", "name"));
    ASSERT_CALL(stat("view", &info));
    EXPECT_EQ(info.kind(), snapshots_api::VIEW);
    EXPECT_EQ(info.parent(), "name");
}

TEST_F(SnapshotsServiceTest, update_obeys_its_mask) {
    ASSERT_CALL(prepare("key", "", nullptr, {{"a", "1"}, {"b", "2"}, {"c.d", "3"}}));
    snapshots_api::UpdateSnapshotRequest request;
    request.mutable_info()->set_name("key");
    (*request.mutable_info()->mutable_labels())["c.d"] = "4";
    (*request.mutable_info()->mutable_labels())["ignored"] = "x";
    request.mutable_update_mask()->add_paths("labels.c.d");
    request.mutable_update_mask()->add_paths("labels.b");
    snapshots_api::UpdateSnapshotResponse response;
    const auto update = &snapshots_api::Snapshots::Stub::Update;
    ASSERT_CALL(call(update, request, &response));
    EXPECT_EQ(store::Labels(response.info().labels().begin(), response.info().labels().end()),
              (store::Labels{{"a", "1"}, {"c.d", "4"}}));
    EXPECT_NE(response.info().created_at().SerializeAsString(),
              response.info().updated_at().SerializeAsString());

    request.mutable_update_mask()->clear_paths();
    ASSERT_CALL(call(update, request, &response));
    EXPECT_EQ(store::Labels(response.info().labels().begin(), response.info().labels().end()),
              (store::Labels{{"c.d", "4"}, {"ignored", "x"}}));

    // Nothing of a request with a path that cannot be updated is done.
    request.mutable_update_mask()->add_paths("labels.c.d");
    (*request.mutable_info()->mutable_labels())["c.d"] = "5";
    for (const char* path : {"parent", "name", "kind", "created_at", "labels.", "Labels", ""}) {
        request.mutable_update_mask()->mutable_paths()->Add(path);
        SCOPED_TRACE(path);
        EXPECT_CODE(call(update, request, &response), INVALID_ARGUMENT);
        request.mutable_update_mask()->mutable_paths()->RemoveLast();
    }
    snapshots_api::Info unchanged;
    ASSERT_CALL(stat("key", &unchanged));
    EXPECT_EQ(unchanged.labels().at("c.d"), "4");
    request.mutable_update_mask()->set_paths(0, "labels");
    request.mutable_info()->set_name("nobody");
    EXPECT_CODE(call(update, request, &response), NOT_FOUND);
}

TEST_F(SnapshotsServiceTest, lists_in_small_messages_and_by_filter) {
    for (int number = 0; number < 205; ++number) {
        ASSERT_CALL(prepare("key-" + std::to_string(number), ""));
    }
    const auto messages = list({});
    ASSERT_EQ(messages.size(), 3u);
    EXPECT_EQ(messages[0].info_size(), 100);
    EXPECT_EQ(messages[2].info_size(), 5);
    EXPECT_EQ(names({"name==key-7", "name~=^key-20[34]$"}),
              (std::vector<std::string>{"key-7", "key-203", "key-204"}));
    EXPECT_TRUE(names({"kind==committed"}).empty());
    grpc::Status status;
    list({"name=x"}, &status);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SnapshotsServiceTest, takes_large_label_sets_and_lists_them_in_messages_that_clients_take) {
    const store::Labels large{{"a", std::string(700'000, 'x')}, {"b", std::string(5, 'y')}};
    for (int number = 0; number < 10; ++number) {
        ASSERT_CALL(prepare("key-" + std::to_string(number), "", nullptr, large));
    }
    grpc::Status status;
    const auto messages = list({}, &status);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(messages.size(), 5u) << "two of 700 KB each";
    EXPECT_EQ(names({}).size(), 10u);
    snapshots_api::Info info;
    ASSERT_CALL(stat("key-9", &info));
    EXPECT_EQ(info.labels().at("a").size(), 700'000u);

    ASSERT_CALL(prepare("huge", "", nullptr, {{"a", std::string(10 << 20, 'x')}}));
    EXPECT_CODE(prepare("too-huge", "", nullptr, {{"a", std::string(20 << 20, 'x')}}),
                RESOURCE_EXHAUSTED);
    EXPECT_CODE(stat("too-huge"), NOT_FOUND);
}

// What is listed was all there at one moment: no child without its parent, no name twice.
TEST_F(SnapshotsServiceTest, lists_one_moment_while_snapshots_come_and_go) {
    std::atomic<bool> stop = false;
    std::jthread changing([this, &stop] {
        for (int round = 0; !stop; ++round) {
            const std::string base = "base-" + std::to_string(round);
            EXPECT_CODE(prepare("key", ""), OK);
            EXPECT_CODE(commit(base, "key"), OK);
            EXPECT_CODE(prepare("child", base), OK);
            EXPECT_CODE(remove("child"), OK);
            EXPECT_CODE(remove(base), OK);
        }
    });
    for (int number = 0; number < 120; ++number) {
        ASSERT_CALL(prepare("kept-" + std::to_string(number), ""));
    }
    for (int round = 0; round < 50; ++round) {
        std::set<std::string> found;
        std::set<std::string> parents;
        for (const auto& message : list({})) {
            for (const auto& info : message.info()) {
                EXPECT_TRUE(found.insert(info.name()).second) << info.name();
                parents.insert(info.parent());
            }
        }
        EXPECT_GE(found.size(), 120u);
        found.insert("");
        EXPECT_TRUE(std::ranges::includes(found, parents));
    }
    stop = true;
}

TEST_F(SnapshotsServiceTest, answers_even_what_does_not_fit_into_an_error) {
    const grpc::Status status = stat(std::string(100'000, '\x01'));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND) << status.error_message();
}

TEST_F(SnapshotsServiceTest, answers_stat_while_a_list_is_being_read) {
    for (int number = 0; number < 150; ++number) {
        ASSERT_CALL(prepare("key-" + std::to_string(number), ""));
    }
    grpc::ClientContext context;
    auto reader = running_->stub().List(&context, snapshots_api::ListSnapshotsRequest{});
    snapshots_api::ListSnapshotsResponse message;
    ASSERT_TRUE(reader->Read(&message));
    EXPECT_CODE(stat("key-149"), OK);
    ASSERT_TRUE(reader->Read(&message));
    EXPECT_FALSE(reader->Read(&message));
    EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(SnapshotsServiceTest, survives_a_client_that_leaves_a_list) {
    for (int number = 0; number < 300; ++number) {
        ASSERT_CALL(prepare("key-" + std::to_string(number), ""));
    }
    for (int round = 0; round < 5; ++round) {
        grpc::ClientContext context;
        auto reader = running_->stub().List(&context, snapshots_api::ListSnapshotsRequest{});
        snapshots_api::ListSnapshotsResponse message;
        ASSERT_TRUE(reader->Read(&message));
        context.TryCancel();
        EXPECT_FALSE(reader->Finish().ok());
    }
    EXPECT_CODE(stat("key-0"), OK);
}

TEST_F(SnapshotsServiceTest, cleanup_of_nothing_is_fine) {
    ASSERT_CALL(cleanup());
    ASSERT_CALL(cleanup());
}

TEST_F(SnapshotsServiceTest, commit_may_give_a_parent_to_what_has_none) {
    ASSERT_CALL(prepare("base-key", ""));
    ASSERT_CALL(commit("base", "base-key"));
    ASSERT_CALL(prepare("other-key", ""));
    ASSERT_CALL(commit("other", "other-key"));
    Mounts mounts;
    ASSERT_CALL(prepare("key", "", &mounts));
    write_text(mounts[0].source() + "/top", "x");
    EXPECT_CODE(commit("name", "key", {}, "nobody"), NOT_FOUND);
    ASSERT_CALL(prepare("active", ""));
    EXPECT_CODE(commit("name", "key", {}, "active"), FAILED_PRECONDITION);
    ASSERT_CALL(commit("name", "key", {}, "base"));
    snapshots_api::Info info;
    ASSERT_CALL(stat("name", &info));
    EXPECT_EQ(info.parent(), "base");
    EXPECT_CODE(remove("base"), FAILED_PRECONDITION);
    ASSERT_CALL(view("look", "name", &mounts));
    EXPECT_EQ(mounts[0].type(), "overlay") << "of both";

    ASSERT_CALL(prepare("again", "base"));
    EXPECT_CODE(commit("wrong", "again", {}, "other"), INVALID_ARGUMENT);
    EXPECT_CODE(commit("right", "again", {}, "base"), OK);
}

TEST_F(SnapshotsServiceTest, a_label_without_a_value_is_no_label) {
    ASSERT_CALL(prepare("key", "", nullptr, {{"a", ""}, {"b", "1"}}));
    snapshots_api::Info info;
    ASSERT_CALL(stat("key", &info));
    EXPECT_EQ(store::Labels(info.labels().begin(), info.labels().end()),
              (store::Labels{{"b", "1"}}));
    ASSERT_CALL(commit("name", "key", {{"c", ""}}));
    ASSERT_CALL(stat("name", &info));
    EXPECT_TRUE(info.labels().empty());
    EXPECT_TRUE(names({R"(labels.c)"}).empty());
}

TEST_F(SnapshotsServiceTest, restart_keeps_normal_snapshots) {
    Mounts mounts;
    ASSERT_CALL(prepare("base-key", "", &mounts));
    write_text(mounts[0].source() + "/file", "kept");
    ASSERT_CALL(commit("base", "base-key"));
    ASSERT_CALL(prepare("active", "base"));
    restart();
    Mounts again;
    ASSERT_CALL(this->mounts("active", &again));
    EXPECT_EQ(text_of(mount_all(again) + "/file"), "kept");
}

TEST_F(SnapshotsServiceTest, socket_is_for_root_alone_and_goes_with_the_service) {
    struct stat status{};
    const std::string address = running_->address();
    ASSERT_EQ(::stat(address.c_str(), &status), 0);
    EXPECT_TRUE(S_ISSOCK(status.st_mode));
    EXPECT_EQ(status.st_mode & 07777u, 0600u);
    running_.reset();
    EXPECT_NE(::access(address.c_str(), F_OK), 0);
}

TEST_F(SnapshotsServiceTest, socket_that_is_answered_is_not_taken_over) {
    snapshots_api::Snapshots::CallbackService other;
    auto second = SocketServer::listen(running_->address(), other);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, std::errc::address_in_use);
    EXPECT_CODE(stat("nobody"), NOT_FOUND);
}

TEST_F(SnapshotsServiceTest, dead_socket_is_replaced_and_other_files_are_not) {
    snapshots_api::Snapshots::CallbackService other;
    const std::string dead = directory_.path() + "/dead.sock";
    {
        const Fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        std::strncpy(name.sun_path, dead.c_str(), sizeof name.sun_path - 1);
        ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    }
    EXPECT_TRUE(SocketServer::listen(dead, other).has_value());
    write_text(directory_.path() + "/file", "precious");
    EXPECT_FALSE(SocketServer::listen(directory_.path() + "/file", other).has_value());
    EXPECT_EQ(text_of(directory_.path() + "/file"), "precious");
    EXPECT_FALSE(SocketServer::listen("/" + std::string(200, 'x'), other).has_value());
    EXPECT_FALSE(SocketServer::listen("relative.sock", other).has_value());
}

}  // namespace
}  // namespace lazybuild::service
