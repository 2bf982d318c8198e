// SPDX-License-Identifier: Apache-2.0
// The snapshotter and the handshake under many threads, without gRPC between: whatever the order,
// every snapshot that is left is whole. (Rule by rule: snapshots_service_test.cc and
// remote_prepare_test.cc.)
#include "snapshotter/service/snapshotter.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "snapshotter/io/pool.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/service/remote_prepare.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/service/fakes.h"

namespace lazybuild::service {
namespace {

constexpr int kThreads = 4;
constexpr int kRounds = 12;

class SnapshotterThreads : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!private_mounts()) {
            GTEST_SKIP() << "needs root, to mount";
        }
        documents_.set_image(three_layers());
        reactor_thread_ = std::thread([this] { reactor_->run(); });
    }
    void TearDown() override {
        if (reactor_thread_.joinable()) {
            snapshotter_.unmount_all();
            reactor_->stop();
            reactor_thread_.join();
        }
    }

    template <class Work>
    static void on_threads(Work work) {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < kThreads; ++thread) {
            threads.emplace_back([work, thread] {
                for (int round = 0; round < kRounds; ++round) {
                    work(std::to_string(thread) + "-" + std::to_string(round));
                }
            });
        }
    }

    io::Task<void> prepare_and_tell(SnapshotRequest request,
                                    std::promise<Result<RemoteOutcome>>& told) {
        auto outcome = co_await remote_.prepare(std::move(request));
        told.set_value(std::move(outcome));
    }
    Result<RemoteOutcome> prepare_remote(const std::string& key) {
        std::promise<Result<RemoteOutcome>> told;
        SnapshotRequest request{
            .key = key, .parent = "", .labels = labels_of_layer(documents_.manifest_digest(), 0)};
        reactor_->spawn(prepare_and_tell(std::move(request), told));
        return told.get_future().get();
    }

    test::TempDir directory_;
    std::unique_ptr<store::Store> store_ = store::Store::open(directory_ / "root").value();
    std::unique_ptr<io::Reactor> reactor_ = io::Reactor::create().value();
    io::Pool pool_{kThreads};
    FakeLayers layers_{*store_, *reactor_, directory_ / "content"};
    FakeDocuments documents_;
    Snapshotter snapshotter_{*store_, layers_, {}};
    RemotePreparer remote_{snapshotter_, layers_, documents_,
                           *reactor_,    pool_,   std::chrono::seconds{60}};
    std::thread reactor_thread_;
};

TEST_F(SnapshotterThreads, prepare_commit_and_remove_at_once) {
    ASSERT_TRUE(snapshotter_.prepare({.key = "base-key", .parent = "", .labels = {}}).has_value());
    ASSERT_TRUE(snapshotter_.commit("base", "base-key", {}).has_value());
    std::atomic<int> failures{0};
    on_threads([this, &failures](const std::string& name) {
        const SnapshotRequest request{.key = name + "-key", .parent = "base", .labels = {}};
        failures += snapshotter_.prepare(request).has_value() ? 0 : 1;
        failures += snapshotter_.usage(request.key).has_value() ? 0 : 1;
        failures += snapshotter_.commit(name, request.key, {}).has_value() ? 0 : 1;
        failures += snapshotter_.list({"parent==base"}).has_value() ? 0 : 1;
        failures += snapshotter_.remove(name).has_value() ? 0 : 1;
        failures += snapshotter_.cleanup().has_value() ? 0 : 1;
    });
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(store_->snapshots()->size(), 1u);
}

// The last snapshot of a layer goes while the next one is being made of it: the layer is either
// still there, or is made again.
TEST_F(SnapshotterThreads, attach_and_remove_one_layer_at_once) {
    std::atomic<int> errors{0};
    on_threads([this, &errors](const std::string& name) {
        errors += prepare_remote(name).has_value() ? 0 : 1;
        auto remote = store_->find_remote(three_chain_ids()[0].text(), "");
        if (remote && *remote) {
            // Another thread may have been faster.
            static_cast<void>(snapshotter_.remove((*remote)->name));
        }
    });
    EXPECT_EQ(errors, 0);
    EXPECT_EQ(prepare_remote("last").value(), RemoteOutcome::attached);
    const auto left = store_->snapshots().value();
    ASSERT_EQ(left.size(), 1u);
    EXPECT_TRUE(store_->layer(*left[0].layer).value().has_value());
    EXPECT_TRUE(
        snapshotter_.prepare({.key = "top", .parent = left[0].name, .labels = {}}).has_value());
}

}  // namespace
}  // namespace lazybuild::service
