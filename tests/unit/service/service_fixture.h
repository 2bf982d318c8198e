// SPDX-License-Identifier: Apache-2.0
// The whole service in one process, at a real socket and with real mounts: only the layers and the
// registry are a test's own. Each test program has a mount namespace of its own, so that nothing it
// mounts outlives it.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "codec/sha256.h"
#include "snapshotter/io/event.h"
#include "snapshotter/service/image_layers.h"
#include "snapshotter/service/overlay_mounts.h"
#include "snapshotter/service/remote_prepare.h"
#include "snapshotter/service/server.h"
#include "snapshotter/service/snapshots_service.h"
#include "snapshotter/service/snapshotter.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::service {

/// Once per program: false when this is not root, or mounts are forbidden.
inline bool private_mounts() {
    static const bool made = ::unshare(CLONE_NEWNS) == 0 &&
                             ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    return made;
}

inline codec::Digest digest_of(char digit) {
    return codec::Digest::parse("sha256:" + std::string(64, digit)).value();
}

inline void write_text(const std::string& path, std::string_view text) {
    auto written = replace_file(path, as_bytes(text));
    ASSERT_TRUE(written.has_value()) << written.error().message;
}

inline std::string text_of(const std::string& path) {
    return read_file(path, 1 << 20).value_or("<cannot be read>");
}

/// Layers that are plain directories, bound to where they are mounted.
class FakeLayers final : public LazyLayers {
  public:
    FakeLayers(store::Store& store, io::Reactor& reactor, std::string directory)
        : store_(store), gate_(reactor), directory_(std::move(directory)) {
        gate_.set();
    }

    /// From now on resolves wait until open_gate(), on the reactor's thread.
    void close_gate() { gate_.reset(); }
    void open_gate() { gate_.set(); }

    /// Layers with this blob cannot be resolved, or cannot be mounted.
    void fail_resolve(const codec::Digest& blob) { with_lock(failing_resolves_, blob); }
    void fail_mount(store::LayerId id) { with_lock(failing_mounts_, id); }
    void heal() {
        const std::lock_guard held{mutex_};
        failing_resolves_.clear();
        failing_mounts_.clear();
    }
    /// How often a resolve of this blob began.
    int resolves(const codec::Digest& blob) {
        const std::lock_guard held{mutex_};
        return resolves_[blob];
    }
    std::optional<codec::Digest> claimed_diff_id(const codec::Digest& blob) {
        const std::lock_guard held{mutex_};
        return diff_ids_[blob];
    }

    io::Task<Result<store::LayerId>> resolve(layer::LayerRequest request, io::Wait wait) override {
        begin(request);
        co_await io::or_return(co_await gate_.wait(wait));
        co_return find_or_insert(request);
    }

    Result<void> mount(store::LayerId id, const std::string& target) override {
        const std::lock_guard held{mutex_};
        if (failing_mounts_.contains(id)) {
            return fail(Error{std::errc::io_error, "the test wants it"});
        }
        TRY(const std::optional<store::LayerRecord> layer, store_.layer(id));
        const std::string source = directory_ + "/" + layer.value().blob.hex();
        CHECK_OK(make_directories(source));
        if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
            ::mount(nullptr, target.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) !=
                0) {
            return fail(errno_error("bind " + target));
        }
        return {};
    }

    Result<void> forget(store::LayerId id) override { return store_.delete_layer(id); }

  private:
    template <class T>
    void with_lock(std::set<T>& set, const T& value) {
        const std::lock_guard held{mutex_};
        set.insert(value);
    }
    void begin(const layer::LayerRequest& request) {
        const std::lock_guard held{mutex_};
        ++resolves_[request.blob];
        diff_ids_[request.blob] = request.diff_id;
    }
    Result<store::LayerId> find_or_insert(const layer::LayerRequest& request) {
        const std::lock_guard held{mutex_};
        if (failing_resolves_.contains(request.blob)) {
            return fail(Error{std::errc::connection_refused, "the test wants it"});
        }
        TRY(const auto known, store_.find_layer(request.blob, request.toc));
        if (known) {
            return known->id;
        }
        store::NewLayer layer;
        layer.blob = request.blob;
        layer.toc = request.toc;
        TRY(const std::string staged, store_.stage_layer());
        TRY(const store::LayerRecord record, store_.insert_layer(layer, staged));
        return record.id;
    }

    store::Store& store_;
    io::Event gate_;
    const std::string directory_;
    std::mutex mutex_;
    std::set<codec::Digest> failing_resolves_;
    std::set<store::LayerId> failing_mounts_;
    std::map<codec::Digest, int> resolves_;
    std::map<codec::Digest, std::optional<codec::Digest>> diff_ids_;
};

/// A registry of one image, under any name.
class FakeDocuments final : public ImageDocuments {
  public:
    struct Layer {
        codec::Digest blob;
        codec::Digest diff_id;
        std::optional<codec::Digest> toc;
        std::string media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    };

    void set_image(const std::vector<Layer>& layers) {
        std::string diff_ids;
        std::string descriptors;
        for (const Layer& layer : layers) {
            const std::string comma = diff_ids.empty() ? "" : ",";
            diff_ids += comma + "\"" + layer.diff_id.text() + "\"";
            const std::string annotations =
                layer.toc ? R"(,"annotations":{"containerd.io/snapshot/stargz/toc.digest":")" +
                                layer.toc->text() + "\"}"
                          : "";
            descriptors += comma + R"({"mediaType":")" + layer.media_type + R"(","digest":")" +
                           layer.blob.text() + R"(","size":1000)" + annotations + "}";
        }
        const std::lock_guard held{mutex_};
        config_ = R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[)" +
                  diff_ids + "]}}";
        manifest_ =
            R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)"
            R"({"mediaType":"application/vnd.oci.image.config.v1+json","digest":")" +
            codec::sha256(as_bytes(config_)).text() + R"(","size":)" +
            std::to_string(config_.size()) + R"(},"layers":[)" + descriptors + "]}";
    }
    void fail_all() { failing_ = true; }
    void heal() { failing_ = false; }
    codec::Digest manifest_digest() { return codec::sha256(as_bytes(manifest_)); }
    int manifests_served() const { return served_; }

    io::Task<Result<registry::Document>> manifest(registry::Repository repository,
                                                  std::string tag_or_digest,
                                                  io::Wait wait) override {
        static_cast<void>(repository);
        static_cast<void>(wait);
        co_return serve(tag_or_digest);
    }
    io::Task<Result<Bytes>> blob(registry::Repository repository, codec::Digest digest,
                                 std::uint64_t size_bytes, io::Wait wait) override {
        static_cast<void>(repository);
        static_cast<void>(digest);
        static_cast<void>(size_bytes);
        static_cast<void>(wait);
        co_return bytes_of(config_);
    }

  private:
    static Bytes bytes_of(const std::string& text) {
        const ByteView view = as_bytes(text);
        return {view.begin(), view.end()};
    }
    Result<registry::Document> serve(const std::string& tag_or_digest) {
        const std::lock_guard held{mutex_};
        ++served_;
        const codec::Digest digest = codec::sha256(as_bytes(manifest_));
        if (failing_) {
            return fail(Error{std::errc::connection_refused, "the test wants it"});
        }
        if (tag_or_digest.starts_with("sha256:") && tag_or_digest != digest.text()) {
            return fail(Error{std::errc::no_such_file_or_directory, "no such manifest"});
        }
        return registry::Document{.media_type = "", .digest = digest, .bytes = bytes_of(manifest_)};
    }

    std::mutex mutex_;
    std::string config_;
    std::string manifest_;
    std::atomic<bool> failing_ = false;
    std::atomic<int> served_ = 0;
};

/// Everything that the daemon builds, around a root that outlives it.
class RunningService {
  public:
    RunningService(const std::string& directory, FakeDocuments& documents,
                   std::chrono::milliseconds prepare_timeout)
        : store_(open_store(directory)),
          reactor_(io::Reactor::create().value()),
          pool_(4),
          layers_(*store_, *reactor_, directory + "/content"),
          snapshotter_(*store_, layers_, {"index=off", "redirect_dir=nofollow"}),
          remote_(snapshotter_, layers_, documents, *reactor_, pool_, prepare_timeout),
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
        running_ = std::make_unique<RunningService>(directory_.path(), documents_, timeout_);
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
                        const store::Labels& labels = {}) {
        snapshots_api::CommitSnapshotRequest request;
        request.set_name(name);
        request.set_key(key);
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
