// SPDX-License-Identifier: Apache-2.0
// The whole service in one process, at a real socket and with real mounts: only the layers and the
// registry are a test's own. Each test program has a mount namespace of its own, so that nothing it
// mounts outlives it.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "snapshotter/service/overlay_mounts.h"
#include "snapshotter/service/remote_prepare.h"
#include "snapshotter/service/server.h"
#include "snapshotter/service/snapshots_service.h"
#include "snapshotter/service/snapshotter.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/service/fakes.h"

namespace lazybuild::service {

/// Everything that the daemon builds, around a root that outlives it.
class RunningService {
  public:
    RunningService(const std::string& directory, FakeDocuments& documents,
                   std::chrono::milliseconds prepare_timeout, RemotePolicy policy)
        : store_(open_store(directory)),
          reactor_(io::Reactor::create().value()),
          pool_(4),
          layers_(*store_, *reactor_, directory + "/content"),
          snapshotter_(*store_, layers_, {"index=off", "redirect_dir=nofollow"}),
          remote_(snapshotter_, layers_, documents, *reactor_, pool_, prepare_timeout, policy),
          service_(snapshotter_, remote_, *reactor_, pool_),
          address_(directory + "/run/lazy.sock"),
          thread_([this] { reactor_->run(); }) {}
    ~RunningService() {
        reactor_->post([this] { remote_.cancel(); });
        server_.reset();
        snapshotter_.unmount_all();
        reactor_->stop();
        thread_.join();
    }
    RunningService(const RunningService&) = delete;
    RunningService& operator=(const RunningService&) = delete;

    void listen() {
        auto restored = snapshotter_.restore();
        ASSERT_TRUE(restored.has_value()) << restored.error().message;
        auto server = SocketServer::listen(address_, service_);
        ASSERT_TRUE(server.has_value()) << server.error().message;
        server_ = *std::move(server);
        stub_ = snapshots_api::Snapshots::NewStub(
            grpc::CreateChannel("unix:" + address_, grpc::InsecureChannelCredentials()));
    }

    /// On the reactor's thread, before anything that is spawned later.
    void on_reactor(std::function<void()> function) { reactor_->post(std::move(function)); }

    store::Store& store() { return *store_; }
    FakeLayers& layers() { return layers_; }
    Snapshotter& snapshotter() { return snapshotter_; }
    snapshots_api::Snapshots::Stub& stub() { return *stub_; }
    const std::string& address() const { return address_; }

  private:
    static std::unique_ptr<store::Store> open_store(const std::string& directory) {
        auto opened = store::Store::open(directory + "/root");
        EXPECT_TRUE(opened.has_value()) << opened.error().message;
        return *std::move(opened);
    }

    std::unique_ptr<store::Store> store_;
    std::unique_ptr<io::Reactor> reactor_;
    io::Pool pool_;
    FakeLayers layers_;
    Snapshotter snapshotter_;
    RemotePreparer remote_;
    SnapshotsService service_;
    std::string address_;
    std::thread thread_;
    std::unique_ptr<SocketServer> server_;
    std::unique_ptr<snapshots_api::Snapshots::Stub> stub_;
};

using Mounts = google::protobuf::RepeatedPtrField<containerd::types::Mount>;

class ServiceFixture : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!private_mounts()) {
            GTEST_SKIP() << "needs root, to mount";
        }
        auto options = probe_overlay_options(directory_.path());
        if (!options) {
            GTEST_SKIP() << "no overlayfs here: " << options.error().message;
        }
        start();
    }

    void start() {
        running_ =
            std::make_unique<RunningService>(directory_.path(), documents_, timeout_, policy_);
        running_->listen();
    }
    void restart() {
        running_.reset();
        start();
    }

    template <class Request, class Response>
    grpc::Status call(grpc::Status (snapshots_api::Snapshots::Stub::*method)(grpc::ClientContext*,
                                                                             const Request&,
                                                                             Response*),
                      const Request& request, Response* response) {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds{60});
        return (running_->stub().*method)(&context, request, response);
    }

    grpc::Status prepare(const std::string& key, const std::string& parent,
                         Mounts* mounts = nullptr, const store::Labels& labels = {}) {
        snapshots_api::PrepareSnapshotRequest request;
        request.set_key(key);
        request.set_parent(parent);
        request.mutable_labels()->insert(labels.begin(), labels.end());
        snapshots_api::PrepareSnapshotResponse response;
        const grpc::Status status =
            call(&snapshots_api::Snapshots::Stub::Prepare, request, &response);
        if (mounts != nullptr) {
            *mounts = response.mounts();
        }
        return status;
    }
    grpc::Status view(const std::string& key, const std::string& parent, Mounts* mounts = nullptr) {
        snapshots_api::ViewSnapshotRequest request;
        request.set_key(key);
        request.set_parent(parent);
        snapshots_api::ViewSnapshotResponse response;
        const grpc::Status status = call(&snapshots_api::Snapshots::Stub::View, request, &response);
        if (mounts != nullptr) {
            *mounts = response.mounts();
        }
        return status;
    }
    grpc::Status mounts(const std::string& key, Mounts* found = nullptr) {
        snapshots_api::MountsRequest request;
        request.set_key(key);
        snapshots_api::MountsResponse response;
        const grpc::Status status =
            call(&snapshots_api::Snapshots::Stub::Mounts, request, &response);
        if (found != nullptr) {
            *found = response.mounts();
        }
        return status;
    }
    grpc::Status commit(const std::string& name, const std::string& key,
                        const store::Labels& labels = {}, const std::string& parent = "") {
        snapshots_api::CommitSnapshotRequest request;
        request.set_name(name);
        request.set_key(key);
        request.set_parent(parent);
        request.mutable_labels()->insert(labels.begin(), labels.end());
        google::protobuf::Empty response;
        return call(&snapshots_api::Snapshots::Stub::Commit, request, &response);
    }
    grpc::Status remove(const std::string& key) {
        snapshots_api::RemoveSnapshotRequest request;
        request.set_key(key);
        google::protobuf::Empty response;
        return call(&snapshots_api::Snapshots::Stub::Remove, request, &response);
    }
    grpc::Status cleanup() {
        google::protobuf::Empty response;
        return call(&snapshots_api::Snapshots::Stub::Cleanup, snapshots_api::CleanupRequest{},
                    &response);
    }
    grpc::Status stat(const std::string& key, snapshots_api::Info* info = nullptr) {
        snapshots_api::StatSnapshotRequest request;
        request.set_key(key);
        snapshots_api::StatSnapshotResponse response;
        const grpc::Status status = call(&snapshots_api::Snapshots::Stub::Stat, request, &response);
        if (info != nullptr) {
            *info = response.info();
        }
        return status;
    }
    grpc::Status usage(const std::string& key, snapshots_api::UsageResponse* response) {
        snapshots_api::UsageRequest request;
        request.set_key(key);
        return call(&snapshots_api::Snapshots::Stub::Usage, request, response);
    }
    /// The messages of the stream, one after the other.
    std::vector<snapshots_api::ListSnapshotsResponse> list(const std::vector<std::string>& filters,
                                                           grpc::Status* status = nullptr) {
        snapshots_api::ListSnapshotsRequest request;
        request.mutable_filters()->Assign(filters.begin(), filters.end());
        grpc::ClientContext context;
        auto reader = running_->stub().List(&context, request);
        std::vector<snapshots_api::ListSnapshotsResponse> messages;
        snapshots_api::ListSnapshotsResponse message;
        while (reader->Read(&message)) {
            messages.push_back(message);
        }
        const grpc::Status ended = reader->Finish();
        if (status != nullptr) {
            *status = ended;
        }
        return messages;
    }
    std::vector<std::string> names(const std::vector<std::string>& filters) {
        std::vector<std::string> found;
        for (const auto& message : list(filters)) {
            for (const auto& info : message.info()) {
                found.push_back(info.name());
            }
        }
        return found;
    }

    /// Mounts as containerd would, on a new directory; unmounted by unmount().
    std::string mount_all(const Mounts& mounts) {
        const std::string target =
            directory_.path() + "/mnt-" + std::to_string(mounted_.size() + unmounted_);
        EXPECT_TRUE(make_directories(target).has_value());
        for (const auto& mount : mounts) {
            mount_one(mount, target);
        }
        mounted_.push_back(target);
        return target;
    }
    void unmount_all() {
        for (const std::string& target : mounted_) {
            EXPECT_EQ(::umount2(target.c_str(), MNT_DETACH), 0) << target;
        }
        unmounted_ += mounted_.size();
        mounted_.clear();
    }
    void TearDown() override {
        unmount_all();
        running_.reset();
    }

    static void mount_one(const containerd::types::Mount& mount, const std::string& target) {
        unsigned long flags = 0;
        std::string data;
        for (const std::string& option : mount.options()) {
            if (option == "ro") {
                flags |= MS_RDONLY;
            } else if (option == "rbind") {
                flags |= MS_BIND | MS_REC;
            } else if (option != "rw") {
                data += (data.empty() ? "" : ",") + option;
            }
        }
        ASSERT_EQ(::mount(mount.source().c_str(), target.c_str(), mount.type().c_str(), flags,
                          data.c_str()),
                  0)
            << std::strerror(errno) << ": " << data;
        if ((flags & (MS_BIND | MS_RDONLY)) == (MS_BIND | MS_RDONLY)) {
            ASSERT_EQ(::mount(nullptr, target.c_str(), nullptr, flags | MS_REMOUNT, nullptr), 0);
        }
    }

    test::TempDir directory_;
    FakeDocuments documents_;
    std::chrono::milliseconds timeout_{30'000};
    RemotePolicy policy_;
    std::unique_ptr<RunningService> running_;
    std::vector<std::string> mounted_;
    std::size_t unmounted_ = 0;
};

#define EXPECT_CODE(status_expression, expected)                                                \
    do {                                                                                        \
        const grpc::Status outcome = (status_expression);                                       \
        EXPECT_EQ(outcome.error_code(), grpc::StatusCode::expected) << outcome.error_message(); \
    } while (false)
#define ASSERT_CALL(status_expression)                        \
    do {                                                      \
        const grpc::Status outcome = (status_expression);     \
        ASSERT_TRUE(outcome.ok()) << outcome.error_message(); \
    } while (false)

}  // namespace lazybuild::service
