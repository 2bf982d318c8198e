// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/snapshots_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "snapshotter/service/remote_labels.h"
#include "snapshotter/service/status.h"

namespace lazybuild::service {
namespace {

constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;

template <class Message>
store::Labels labels_of(const Message& message) {
    return {message.labels().begin(), message.labels().end()};
}

template <class Message>
SnapshotRequest request_of(const Message& message) {
    return {.key = message.key(), .parent = message.parent(), .labels = labels_of(message)};
}

template <class Response>
grpc::Status answer_mounts(const Result<std::vector<MountAdvice>>& mounts, Response& response) {
    if (!mounts) {
        return to_grpc_status(mounts.error());
    }
    for (const MountAdvice& mount : *mounts) {
        auto& message = *response.add_mounts();
        message.set_type(mount.type);
        message.set_source(mount.source);
        message.mutable_options()->Assign(mount.options.begin(), mount.options.end());
    }
    return grpc::Status::OK;
}

void set_time(std::int64_t time_ns, google::protobuf::Timestamp& message) {
    message.set_seconds(time_ns / kNanosecondsPerSecond);
    message.set_nanos(static_cast<std::int32_t>(time_ns % kNanosecondsPerSecond));
}

void fill_info(const store::SnapshotRecord& snapshot, snapshots_api::Info& info) {
    info.set_name(snapshot.name);
    info.set_parent(snapshot.parent);
    info.set_kind(static_cast<snapshots_api::Kind>(snapshot.kind));
    set_time(snapshot.created_at_ns, *info.mutable_created_at());
    set_time(snapshot.updated_at_ns, *info.mutable_updated_at());
    info.mutable_labels()->insert(snapshot.labels.begin(), snapshot.labels.end());
}

template <class Response>
grpc::Status answer_info(const Result<store::SnapshotRecord>& snapshot, Response& response) {
    if (!snapshot) {
        return to_grpc_status(snapshot.error());
    }
    fill_info(*snapshot, *response.mutable_info());
    return grpc::Status::OK;
}

/// Sends a list that was made before, message by message. Keeps itself until gRPC is done with it.
class ListCall final : public grpc::ServerWriteReactor<snapshots_api::ListSnapshotsResponse> {
  public:
    static ListCall* make() {
        auto call = std::make_shared<ListCall>();
        call->self_ = call;
        return call.get();
    }

    /// Once. Threads: any.
    void send(Result<std::vector<store::SnapshotRecord>> snapshots) {
        if (!snapshots) {
            Finish(to_grpc_status(snapshots.error()));
            return;
        }
        snapshots_ = *std::move(snapshots);
        write_next();
    }

    void OnWriteDone(bool ok) override {
        if (ok) {
            write_next();
        } else {
            Finish(grpc::Status::CANCELLED);
        }
    }
    void OnDone() override { self_.reset(); }

  private:
    void write_next() {
        if (sent_ == snapshots_.size()) {
            Finish(grpc::Status::OK);
            return;
        }
        message_.Clear();
        std::size_t size_bytes = 0;
        while (sent_ < snapshots_.size() && message_.info_size() < kInfosPerMessageMax &&
               size_bytes < kListMessageBytes) {
            snapshots_api::Info& info = *message_.add_info();
            fill_info(snapshots_[sent_++], info);
            size_bytes += info.ByteSizeLong();
        }
        StartWrite(&message_);
    }

    std::shared_ptr<ListCall> self_;
    std::vector<store::SnapshotRecord> snapshots_;
    std::size_t sent_ = 0;
    snapshots_api::ListSnapshotsResponse message_;
};

/// A call whose end, should it come before the answer, is passed on to the reactor. Keeps itself
/// until gRPC is done with it.
class CancellableCall final : public grpc::ServerUnaryReactor {
  public:
    static CancellableCall* make(io::Reactor& reactor) {
        auto call = std::make_shared<CancellableCall>(reactor);
        call->self_ = call;
        return call.get();
    }
    explicit CancellableCall(io::Reactor& reactor) : reactor_(reactor) {}

    /// Cancelled when nobody waits for the answer any more.
    const io::CancelSource& ended() const { return ended_; }

    void OnCancel() override {
        reactor_.post([ended = ended_]() mutable { ended.cancel(); });
    }
    void OnDone() override { self_.reset(); }

  private:
    std::shared_ptr<CancellableCall> self_;
    io::Reactor& reactor_;
    io::CancelSource ended_;
};

/// gRPC's deadlines are moments of the wall clock.
io::Deadline deadline_of(const grpc::CallbackServerContext& context) {
    constexpr std::chrono::hours kLong{24};
    const auto left = context.deadline() - std::chrono::system_clock::now();
    return left > kLong ? io::kNoDeadline
                        : io::deadline_in(std::chrono::duration_cast<io::Clock::duration>(left));
}

}  // namespace

// The request and the response live until Finish, so the work may refer to them.
grpc::ServerUnaryReactor* SnapshotsService::on_pool(grpc::CallbackServerContext* context,
                                                    std::function<grpc::Status()> work) {
    grpc::ServerUnaryReactor* call = context->DefaultReactor();
    pool_.submit([context, call, work = std::move(work)] {
        call->Finish(context->IsCancelled() ? grpc::Status::CANCELLED : work());
    });
    return call;
}

grpc::ServerUnaryReactor* SnapshotsService::Prepare(
    grpc::CallbackServerContext* context, const snapshots_api::PrepareSnapshotRequest* request,
    snapshots_api::PrepareSnapshotResponse* response) {
    SnapshotRequest wanted = request_of(*request);
    if (!asks_for_remote(wanted.labels)) {
        return on_pool(context, [this, wanted = std::move(wanted), response] {
            return answer_mounts(snapshotter_.prepare(wanted), *response);
        });
    }
    CancellableCall* call = CancellableCall::make(reactor_);
    Caller caller{.deadline = deadline_of(*context), .gone = call->ended()};
    reactor_.spawn(prepare_remote(std::move(wanted), std::move(caller), *response, *call));
    return call;
}

io::Task<void> SnapshotsService::prepare_remote(SnapshotRequest request, Caller caller,
                                                snapshots_api::PrepareSnapshotResponse& response,
                                                grpc::ServerUnaryReactor& call) {
    auto outcome = co_await remote_.prepare(request, std::move(caller));
    if (!outcome) {
        call.Finish(to_grpc_status(outcome.error()));
        co_return;
    }
    if (*outcome == RemoteOutcome::attached) {
        const std::string& reference =
            request.labels.find(std::string{store::kSnapshotRefLabel})->second;
        call.Finish({grpc::StatusCode::ALREADY_EXISTS,
                     fmt::format("target snapshot {:?} already exists", reference)});
        co_return;
    }
    auto prepare = [this, &request] { return snapshotter_.prepare(request); };
    const auto mounts = co_await io::run_on(pool_, reactor_, std::move(prepare));
    call.Finish(answer_mounts(mounts, response));
}

grpc::ServerUnaryReactor* SnapshotsService::View(grpc::CallbackServerContext* context,
                                                 const snapshots_api::ViewSnapshotRequest* request,
                                                 snapshots_api::ViewSnapshotResponse* response) {
    return on_pool(context, [this, request, response] {
        return answer_mounts(snapshotter_.view(request_of(*request)), *response);
    });
}

grpc::ServerUnaryReactor* SnapshotsService::Mounts(grpc::CallbackServerContext* context,
                                                   const snapshots_api::MountsRequest* request,
                                                   snapshots_api::MountsResponse* response) {
    return on_pool(context, [this, request, response] {
        return answer_mounts(snapshotter_.mounts(request->key()), *response);
    });
}

grpc::ServerUnaryReactor* SnapshotsService::Commit(
    grpc::CallbackServerContext* context, const snapshots_api::CommitSnapshotRequest* request,
    google::protobuf::Empty* /*response*/) {
    return on_pool(context, [this, request] {
        return to_grpc_status(snapshotter_.commit(request->name(), request->key(),
                                                  labels_of(*request), request->parent()));
    });
}

grpc::ServerUnaryReactor* SnapshotsService::Remove(
    grpc::CallbackServerContext* context, const snapshots_api::RemoveSnapshotRequest* request,
    google::protobuf::Empty* /*response*/) {
    return on_pool(context,
                   [this, request] { return to_grpc_status(snapshotter_.remove(request->key())); });
}

grpc::ServerUnaryReactor* SnapshotsService::Stat(grpc::CallbackServerContext* context,
                                                 const snapshots_api::StatSnapshotRequest* request,
                                                 snapshots_api::StatSnapshotResponse* response) {
    return on_pool(context, [this, request, response] {
        return answer_info(snapshotter_.stat(request->key()), *response);
    });
}

grpc::ServerUnaryReactor* SnapshotsService::Update(
    grpc::CallbackServerContext* context, const snapshots_api::UpdateSnapshotRequest* request,
    snapshots_api::UpdateSnapshotResponse* response) {
    return on_pool(context, [this, request, response] {
        const auto& paths = request->update_mask().paths();
        return answer_info(
            snapshotter_.update(request->info().name(), labels_of(request->info()),
                                std::vector<std::string>(paths.begin(), paths.end())),
            *response);
    });
}

grpc::ServerWriteReactor<snapshots_api::ListSnapshotsResponse>* SnapshotsService::List(
    grpc::CallbackServerContext* /*context*/, const snapshots_api::ListSnapshotsRequest* request) {
    ListCall* call = ListCall::make();
    std::vector<std::string> filters(request->filters().begin(), request->filters().end());
    pool_.submit(
        [this, call, filters = std::move(filters)] { call->send(snapshotter_.list(filters)); });
    return call;
}

grpc::ServerUnaryReactor* SnapshotsService::Usage(grpc::CallbackServerContext* context,
                                                  const snapshots_api::UsageRequest* request,
                                                  snapshots_api::UsageResponse* response) {
    return on_pool(context, [this, request, response] {
        const auto usage = snapshotter_.usage(request->key());
        if (usage) {
            response->set_size(static_cast<std::int64_t>(usage->size_bytes));
            response->set_inodes(static_cast<std::int64_t>(usage->inodes));
        }
        return to_grpc_status(usage);
    });
}

grpc::ServerUnaryReactor* SnapshotsService::Cleanup(
    grpc::CallbackServerContext* context, const snapshots_api::CleanupRequest* /*request*/,
    google::protobuf::Empty* /*response*/) {
    return on_pool(context, [this] { return to_grpc_status(snapshotter_.cleanup()); });
}

}  // namespace lazybuild::service
