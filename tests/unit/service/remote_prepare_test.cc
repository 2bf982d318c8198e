// SPDX-License-Identifier: Apache-2.0
// The remote-snapshot handshake (reference C.3), as containerd plays it: Prepare with labels, then
// List for what it was promised.
#include "snapshotter/service/remote_prepare.h"

#include <fmt/format.h>

#include <future>

#include "tests/unit/service/service_fixture.h"

namespace lazybuild::service {
namespace {

class RemotePrepareTest : public ServiceFixture {
  protected:
    void SetUp() override {
        ServiceFixture::SetUp();
        chain_ = three_chain_ids();
        documents_.set_image(three_layers());
        write_layer('a', "file", "from the lazy layer");
    }

    void write_layer(char blob, const std::string& name, std::string_view text) {
        const std::string content = directory_.path() + "/content/" + digest_of(blob).hex();
        ASSERT_TRUE(make_directories(content).has_value());
        write_text(content + "/" + name, text);
    }

    store::Labels labels(std::size_t index) {
        return labels_of_layer(documents_.manifest_digest(), index);
    }

    grpc::Status prepare_layer(std::size_t index, const std::string& parent,
                               Mounts* mounts = nullptr) {
        return prepare(fmt::format("extract-{}", next_key_++), parent, mounts, labels(index));
    }

    /// What containerd asks after ALREADY_EXISTS.
    std::vector<snapshots_api::Info> promised(std::size_t index, const std::string& parent) {
        std::vector<snapshots_api::Info> found;
        const std::string filter =
            fmt::format(R"(labels."containerd.io/snapshot.ref"=={},parent=="{}")",
                        chain_[index].text(), parent);
        for (const auto& message : list({filter})) {
            found.insert(found.end(), message.info().begin(), message.info().end());
        }
        return found;
    }
    /// The name of the remote snapshot of the first layer.
    std::string attach_first() {
        const grpc::Status status = prepare_layer(0, "");
        EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS) << status.error_message();
        const auto found = promised(0, "");
        EXPECT_EQ(found.size(), 1u);
        return found.empty() ? "" : found[0].name();
    }
    bool is_mounted(store::SnapshotId id) {
        struct stat inside{};
        struct stat outside{};
        const std::string content = content_directory(running_->store(), id);
        EXPECT_EQ(::stat((running_->store().snapshot_directory(id)).c_str(), &outside), 0);
        EXPECT_EQ(::stat(content.c_str(), &inside), 0);
        return ::access((content + "/file").c_str(), F_OK) == 0;
    }

    std::vector<codec::Digest> chain_;
    std::atomic<int> next_key_ = 0;
};

TEST_F(RemotePrepareTest, promises_a_committed_snapshot_and_keeps_the_promise) {
    EXPECT_CODE(prepare_layer(0, ""), ALREADY_EXISTS);
    const auto found = promised(0, "");
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].kind(), snapshots_api::COMMITTED);
    EXPECT_EQ(found[0].labels().at("containerd.io/snapshot/remote"), "remote snapshot");
    EXPECT_EQ(found[0].labels().at("containerd.io/snapshot/cri.image-ref"),
              "registry.test:5000/app:1");
    EXPECT_CODE(stat("extract-0"), NOT_FOUND);  // the key has become the snapshot
    Mounts mounts;
    ASSERT_CALL(prepare("container", found[0].name(), &mounts));
    const std::string root = mount_all(mounts);
    EXPECT_EQ(text_of(root + "/file"), "from the lazy layer");
    write_text(root + "/written", "by the container");
}

TEST_F(RemotePrepareTest, hands_the_configs_diff_id_to_the_layer) {
    attach_first();
    EXPECT_EQ(running_->layers().claimed_diff_id(digest_of('a')), digest_of('1'));
}

TEST_F(RemotePrepareTest, asks_the_registry_once_per_image) {
    attach_first();
    EXPECT_CODE(prepare_layer(0, ""), ALREADY_EXISTS);
    EXPECT_CODE(prepare_layer(1, attach_first()), OK);
    EXPECT_EQ(documents_.manifests_served(), 1);
    EXPECT_EQ(running_->layers().resolves(digest_of('a')), 1);
}

TEST_F(RemotePrepareTest, lets_a_layer_that_is_not_lazy_be_pulled) {
    const std::string base = attach_first();
    Mounts mounts;
    ASSERT_CALL(prepare_layer(1, base, &mounts));
    write_text(mount_all(mounts) + "/pulled", "in full");
    unmount_all();
    ASSERT_CALL(commit("pulled", fmt::format("extract-{}", next_key_ - 1)));
    EXPECT_CODE(prepare_layer(2, "pulled"), ALREADY_EXISTS);
    EXPECT_EQ(promised(2, "pulled").size(), 1u);
}

class PlainClaimTest : public RemotePrepareTest {
  protected:
    PlainClaimTest() { policy_.claim_plain = true; }
};

TEST_F(PlainClaimTest, promises_layers_without_an_index_too) {
    const std::string base = attach_first();
    EXPECT_CODE(prepare_layer(1, base), ALREADY_EXISTS);
    EXPECT_EQ(promised(1, base).size(), 1u);
    const auto layer = running_->store().find_layer(digest_of('b'), codec::Digest{});
    ASSERT_TRUE(layer.has_value() && layer->has_value()) << "without a TOC";
    EXPECT_EQ(running_->layers().claimed_diff_id(digest_of('b')), digest_of('2'));
}

class ShortPlainClaimTest : public PlainClaimTest {
  protected:
    ShortPlainClaimTest() { timeout_ = std::chrono::milliseconds{2'000}; }
};

TEST_F(ShortPlainClaimTest, waits_longer_for_them_than_for_lazy_ones) {
    const std::string base = attach_first();
    running_->on_reactor([this] { running_->layers().close_gate(); });
    std::thread later{[this] {
        std::this_thread::sleep_for(timeout_ + std::chrono::milliseconds{200});
        running_->on_reactor([this] { running_->layers().open_gate(); });
    }};
    EXPECT_CODE(prepare_layer(1, base), ALREADY_EXISTS);
    later.join();
}

TEST_F(PlainClaimTest, lets_containerd_pull_what_cannot_be_unpacked_here) {
    const std::string base = attach_first();
    running_->layers().fail_resolve(digest_of('b'));
    EXPECT_CODE(prepare_layer(1, base), OK);
}

TEST_F(PlainClaimTest, leaves_foreign_layers_to_containerd) {
    auto layers = three_layers();
    layers[1].media_type = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    documents_.set_image(layers);
    const std::string base = attach_first();
    EXPECT_CODE(prepare_layer(1, base), OK);
    EXPECT_EQ(running_->layers().resolves(digest_of('b')), 0);
}

TEST_F(RemotePrepareTest, prepares_normally_when_the_layer_cannot_be_resolved) {
    running_->layers().fail_resolve(digest_of('a'));
    Mounts mounts;
    ASSERT_CALL(prepare_layer(0, "", &mounts));
    EXPECT_EQ(mounts.size(), 1);
    EXPECT_CODE(stat("extract-0"), OK);
    EXPECT_TRUE(promised(0, "").size() == 1) << "the active one, which has the label as well";
    running_->layers().heal();
    EXPECT_CODE(prepare_layer(0, ""), ALREADY_EXISTS);
}

TEST_F(RemotePrepareTest, prepares_normally_when_the_layer_cannot_be_mounted) {
    running_->layers().fail_mount(store::LayerId{1});
    ASSERT_CALL(prepare_layer(0, ""));
    EXPECT_EQ(names({}), std::vector<std::string>{"extract-0"}) << "nothing half made stays";
}

TEST_F(RemotePrepareTest, prepares_normally_when_the_registry_is_down_and_asks_again_later) {
    documents_.fail_all();
    ASSERT_CALL(prepare_layer(0, ""));
    documents_.heal();
    EXPECT_CODE(prepare_layer(0, ""), ALREADY_EXISTS);
}

TEST_F(RemotePrepareTest, prepares_normally_without_the_images_labels) {
    const store::Labels only_reference{{"containerd.io/snapshot.ref", chain_[0].text()}};
    ASSERT_CALL(prepare("one", "", nullptr, only_reference));
    store::Labels broken = labels(0);
    broken["containerd.io/snapshot/cri.layer-digest"] = "sha256:short";
    ASSERT_CALL(prepare("two", "", nullptr, broken));
    broken = labels(0);
    broken["containerd.io/snapshot/cri.image-ref"] = "!!";
    ASSERT_CALL(prepare("three", "", nullptr, broken));
    EXPECT_EQ(documents_.manifests_served(), 0);
}

TEST_F(RemotePrepareTest, understands_the_stargz_labels) {
    const store::Labels stargz{
        {"containerd.io/snapshot.ref", chain_[0].text()},
        {"containerd.io/snapshot/remote/stargz.reference", "registry.test:5000/app:1"},
        {"containerd.io/snapshot/remote/stargz.digest", digest_of('a').text()},
        {"containerd.io/snapshot/stargz/toc.digest", digest_of('e').text()}};
    EXPECT_CODE(prepare("key", "", nullptr, stargz), ALREADY_EXISTS);
}

// An image could name another image's chain over its own layers, and poison it for everybody.
TEST_F(RemotePrepareTest, refuses_a_chain_that_the_images_config_does_not_make) {
    store::Labels lying = labels(0);
    lying["containerd.io/snapshot.ref"] = digest_of('9').text();
    ASSERT_CALL(prepare("key", "", nullptr, lying));
    lying = labels(0);
    lying["containerd.io/snapshot/stargz/toc.digest"] = digest_of('9').text();
    ASSERT_CALL(prepare("key2", "", nullptr, lying));
    EXPECT_EQ(running_->layers().resolves(digest_of('a')), 0);
}

TEST_F(RemotePrepareTest, resolves_the_layers_above_ahead_of_their_prepare) {
    attach_first();
    // Its own Prepare joins or repeats what was begun; that it was begun is what counts.
    while (running_->layers().resolves(digest_of('c')) == 0) {
        std::this_thread::yield();
    }
    EXPECT_EQ(running_->layers().resolves(digest_of('b')), 0) << "it cannot be served lazily";
}

TEST_F(RemotePrepareTest, two_at_once_both_end_well) {
    std::promise<void> closed;
    running_->on_reactor([this, &closed] {
        running_->layers().close_gate();
        closed.set_value();
    });
    closed.get_future().wait();
    std::vector<std::future<grpc::Status>> prepares;
    for (int number = 0; number < 4; ++number) {
        prepares.push_back(std::async(std::launch::async, [this] { return prepare_layer(0, ""); }));
    }
    while (running_->layers().resolves(digest_of('a')) < 4) {
        std::this_thread::yield();
    }
    running_->on_reactor([this] { running_->layers().open_gate(); });
    for (std::future<grpc::Status>& prepare : prepares) {
        EXPECT_CODE(prepare.get(), ALREADY_EXISTS);
    }
    EXPECT_EQ(names({}).size(), 1u);
}

TEST_F(RemotePrepareTest, same_chain_over_another_parent_is_another_snapshot) {
    ASSERT_CALL(prepare("base-key", ""));
    ASSERT_CALL(commit("base", "base-key"));
    const std::string one = attach_first();
    EXPECT_CODE(prepare_layer(0, "base"), ALREADY_EXISTS);
    const auto two = promised(0, "base");
    ASSERT_EQ(two.size(), 1u);
    EXPECT_NE(two[0].name(), one);
    EXPECT_EQ(running_->store().layers()->size(), 2u) << "one layer, and that of the third";
}

TEST_F(RemotePrepareTest, remove_takes_mount_and_layer_away_when_nobody_has_them) {
    ASSERT_CALL(prepare("base-key", ""));
    ASSERT_CALL(commit("base", "base-key"));
    const std::string one = attach_first();
    EXPECT_CODE(prepare_layer(0, "base"), ALREADY_EXISTS);
    const std::string two = promised(0, "base")[0].name();
    const auto record = running_->store().stat_snapshot(one).value();
    EXPECT_TRUE(is_mounted(record.id));
    ASSERT_CALL(prepare("container", one));
    EXPECT_CODE(remove(one), FAILED_PRECONDITION);
    ASSERT_CALL(remove("container"));
    ASSERT_CALL(remove(one));
    ASSERT_CALL(cleanup());
    EXPECT_NE(::access(running_->store().snapshot_directory(record.id).c_str(), F_OK), 0);
    EXPECT_TRUE(running_->store().layer(*record.layer).value().has_value()) << "two has it";
    ASSERT_CALL(remove(two));
    ASSERT_CALL(cleanup());
    EXPECT_FALSE(running_->store().layer(*record.layer).value().has_value());
    EXPECT_EQ(text_of(directory_.path() + "/content/" + digest_of('a').hex() + "/file"),
              "from the lazy layer")
        << "removing must not reach through the mount";
}

// The layer's files may be gigabytes; containerd holds a lock of its own while it removes.
TEST_F(RemotePrepareTest, remove_does_not_wait_for_the_layers_files_and_cleanup_does) {
    const std::string name = attach_first();
    const auto record = running_->store().stat_snapshot(name).value();
    running_->layers().forget_slowly(true);
    ASSERT_CALL(remove(name));
    EXPECT_CODE(stat(name), NOT_FOUND);
    EXPECT_TRUE(promised(0, "").empty());
    auto cleaning = std::async(std::launch::async, [this] { return cleanup(); });
    EXPECT_TRUE(running_->store().layer(*record.layer).value().has_value());
    running_->layers().forget_slowly(false);
    ASSERT_CALL(cleaning.get());
    EXPECT_FALSE(running_->store().layer(*record.layer).value().has_value());
    EXPECT_NE(::access(running_->store().snapshot_directory(record.id).c_str(), F_OK), 0);
}

TEST_F(RemotePrepareTest, refuses_layers_that_are_unpacked_out_of_order) {
    store::Labels wanted = labels(2);
    wanted["containerd.io/snapshot/parent-chain-id"] = chain_[1].text();
    const grpc::Status refused = prepare("extract", "", nullptr, wanted);
    EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_NE(refused.error_message().find("rebase"), std::string::npos) << "what to change";
    wanted["containerd.io/snapshot/parent-chain-id"] = "";
    EXPECT_CODE(prepare("extract", "", nullptr, wanted), ALREADY_EXISTS);
}

TEST_F(RemotePrepareTest, usage_of_a_remote_snapshot_is_nothing) {
    snapshots_api::UsageResponse response;
    ASSERT_CALL(usage(attach_first(), &response));
    EXPECT_EQ(response.size(), 0);
    EXPECT_EQ(response.inodes(), 0);
}

TEST_F(RemotePrepareTest, restart_mounts_everything_again_without_the_registry) {
    const std::string name = attach_first();
    ASSERT_CALL(prepare("container", name));
    documents_.fail_all();
    restart();
    Mounts found;
    ASSERT_CALL(mounts("container", &found));
    EXPECT_EQ(text_of(mount_all(found) + "/file"), "from the lazy layer");
    EXPECT_CODE(prepare_layer(0, ""), ALREADY_EXISTS);
    EXPECT_EQ(running_->layers().resolves(digest_of('a')), 0);
}

TEST_F(RemotePrepareTest, stop_leaves_no_mount) {
    const auto record = running_->store().stat_snapshot(attach_first()).value();
    const std::string content = content_directory(running_->store(), record.id);
    running_.reset();
    EXPECT_NE(::access((content + "/file").c_str(), F_OK), 0);
    EXPECT_EQ(::access(content.c_str(), F_OK), 0);
    start();
    EXPECT_EQ(text_of(content + "/file"), "from the lazy layer");
}

TEST_F(RemotePrepareTest, snapshot_that_cannot_be_mounted_is_unavailable_until_it_can) {
    const std::string name = attach_first();
    const auto record = running_->store().stat_snapshot(name).value();
    ASSERT_CALL(prepare("container", name));
    running_->snapshotter().unmount_all();
    running_->layers().fail_mount(*record.layer);
    EXPECT_CODE(prepare("x", name), UNAVAILABLE);
    EXPECT_CODE(mounts("container"), UNAVAILABLE);
    EXPECT_CODE(stat(name), OK);
    running_->layers().heal();
    ASSERT_CALL(prepare("x", name));
    EXPECT_TRUE(is_mounted(record.id));
}

TEST_F(RemotePrepareTest, quarantined_layer_is_neither_promised_nor_mounted) {
    const std::string name = attach_first();
    const auto record = running_->store().stat_snapshot(name).value();
    ASSERT_TRUE(running_->store().quarantine_layer(*record.layer).has_value());
    EXPECT_CODE(prepare("container", name), UNAVAILABLE);
    EXPECT_CODE(prepare_layer(0, ""), OK);  // pulled in full
}

TEST_F(RemotePrepareTest, answers_not_found_and_already_exists_as_a_normal_prepare) {
    EXPECT_CODE(prepare_layer(1, "nobody"), NOT_FOUND);
    ASSERT_CALL(prepare("taken", ""));
    EXPECT_CODE(prepare("taken", "", nullptr, labels(0)), ALREADY_EXISTS);
    EXPECT_TRUE(promised(0, "").empty());
}

TEST_F(RemotePrepareTest, restart_forgets_layers_that_nothing_uses) {
    attach_first();
    while (running_->store().layers()->size() < 2) {
        std::this_thread::yield();
    }
    restart();
    EXPECT_EQ(running_->store().layers()->size(), 1u) << "that of the snapshot";
}

class SlowRemotePrepareTest : public RemotePrepareTest {
  protected:
    SlowRemotePrepareTest() { timeout_ = std::chrono::milliseconds{50}; }
};

TEST_F(SlowRemotePrepareTest, prepares_normally_when_a_layer_takes_too_long) {
    running_->on_reactor([this] { running_->layers().close_gate(); });
    ASSERT_CALL(prepare_layer(0, ""));
}

TEST_F(RemotePrepareTest, stop_ends_a_prepare_that_waits) {
    running_->on_reactor([this] { running_->layers().close_gate(); });
    auto waiting = std::async(std::launch::async, [this] {
        snapshots_api::PrepareSnapshotRequest request;
        const store::Labels wanted = labels(0);
        request.set_key("key");
        request.mutable_labels()->insert(wanted.begin(), wanted.end());
        auto stub = snapshots_api::Snapshots::NewStub(
            grpc::CreateChannel("unix:" + running_->address(), grpc::InsecureChannelCredentials()));
        grpc::ClientContext context;
        snapshots_api::PrepareSnapshotResponse response;
        return stub->Prepare(&context, request, &response);
    });
    while (running_->layers().resolves(digest_of('a')) == 0) {
        std::this_thread::yield();
    }
    running_.reset();
    EXPECT_FALSE(waiting.get().ok());
    start();
    EXPECT_TRUE(names({}).empty());
}

TEST_F(RemotePrepareTest, ends_when_the_client_is_gone) {
    running_->on_reactor([this] { running_->layers().close_gate(); });
    snapshots_api::PrepareSnapshotRequest request;
    const store::Labels wanted = labels(0);
    request.set_key("key");
    request.mutable_labels()->insert(wanted.begin(), wanted.end());
    grpc::ClientContext context;
    auto waiting = std::async(std::launch::async, [this, &context, &request] {
        snapshots_api::PrepareSnapshotResponse response;
        return running_->stub().Prepare(&context, request, &response);
    });
    while (running_->layers().resolves(digest_of('a')) == 0) {
        std::this_thread::yield();
    }
    context.TryCancel();
    EXPECT_EQ(waiting.get().error_code(), grpc::StatusCode::CANCELLED);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (running_->layers().given_up() == 0 && std::chrono::steady_clock::now() < end) {
        std::this_thread::yield();
    }
    EXPECT_EQ(running_->layers().given_up(), 1) << "long before its own limit of 30 s";
    EXPECT_TRUE(names({}).empty());
}

TEST_F(RemotePrepareTest, prepares_normally_before_the_clients_deadline) {
    running_->on_reactor([this] { running_->layers().close_gate(); });
    snapshots_api::PrepareSnapshotRequest request;
    const store::Labels wanted = labels(0);
    request.set_key("key");
    request.mutable_labels()->insert(wanted.begin(), wanted.end());
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds{4});
    snapshots_api::PrepareSnapshotResponse response;
    ASSERT_CALL(running_->stub().Prepare(&context, request, &response));
    EXPECT_EQ(response.mounts_size(), 1);
}

}  // namespace
}  // namespace lazybuild::service
