// SPDX-License-Identifier: Apache-2.0
// containerd.services.snapshots.v1.Snapshots: gRPC messages in, Snapshotter calls, gRPC messages
// out. No decision is made here.
//
// Threads: gRPC's threads only hand over. What blocks runs on the pool, the remote handshake on the
// reactor; an answer is given from wherever it was made. A call that nobody waits for any more,
// because it was cancelled or its deadline has passed, is not begun; a remote handshake also ends.
#pragma once

#include <functional>

#include "github.com/containerd/containerd/api/services/snapshots/v1/snapshots.grpc.pb.h"
#include "snapshotter/io/pool.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/service/remote_prepare.h"
#include "snapshotter/service/snapshotter.h"

namespace lazybuild::service {

namespace snapshots_api = containerd::services::snapshots::v1;

/// What is sent in one message of List's stream: this many snapshots, and no more of them once
/// they take this much (clients refuse messages above 4 MiB, unless told otherwise).
inline constexpr int kInfosPerMessageMax = 100;
inline constexpr std::size_t kListMessageBytes = 1 << 20;

class SnapshotsService final : public snapshots_api::Snapshots::CallbackService {
  public:
    /// The arguments outlive this. The server is shut down before the reactor ends.
    SnapshotsService(Snapshotter& snapshotter, RemotePreparer& remote, io::Reactor& reactor,
                     io::Pool& pool)
        : snapshotter_(snapshotter), remote_(remote), reactor_(reactor), pool_(pool) {}

    grpc::ServerUnaryReactor* Prepare(grpc::CallbackServerContext* context,
                                      const snapshots_api::PrepareSnapshotRequest* request,
                                      snapshots_api::PrepareSnapshotResponse* response) override;
    grpc::ServerUnaryReactor* View(grpc::CallbackServerContext* context,
                                   const snapshots_api::ViewSnapshotRequest* request,
                                   snapshots_api::ViewSnapshotResponse* response) override;
    grpc::ServerUnaryReactor* Mounts(grpc::CallbackServerContext* context,
                                     const snapshots_api::MountsRequest* request,
                                     snapshots_api::MountsResponse* response) override;
    grpc::ServerUnaryReactor* Commit(grpc::CallbackServerContext* context,
                                     const snapshots_api::CommitSnapshotRequest* request,
                                     google::protobuf::Empty* response) override;
    grpc::ServerUnaryReactor* Remove(grpc::CallbackServerContext* context,
                                     const snapshots_api::RemoveSnapshotRequest* request,
                                     google::protobuf::Empty* response) override;
    grpc::ServerUnaryReactor* Stat(grpc::CallbackServerContext* context,
                                   const snapshots_api::StatSnapshotRequest* request,
                                   snapshots_api::StatSnapshotResponse* response) override;
    grpc::ServerUnaryReactor* Update(grpc::CallbackServerContext* context,
                                     const snapshots_api::UpdateSnapshotRequest* request,
                                     snapshots_api::UpdateSnapshotResponse* response) override;
    grpc::ServerWriteReactor<snapshots_api::ListSnapshotsResponse>* List(
        grpc::CallbackServerContext* context,
        const snapshots_api::ListSnapshotsRequest* request) override;
    grpc::ServerUnaryReactor* Usage(grpc::CallbackServerContext* context,
                                    const snapshots_api::UsageRequest* request,
                                    snapshots_api::UsageResponse* response) override;
    grpc::ServerUnaryReactor* Cleanup(grpc::CallbackServerContext* context,
                                      const snapshots_api::CleanupRequest* request,
                                      google::protobuf::Empty* response) override;

  private:
    grpc::ServerUnaryReactor* on_pool(grpc::CallbackServerContext* context,
                                      std::function<grpc::Status()> work);
    io::Task<void> prepare_remote(SnapshotRequest request, Caller caller,
                                  snapshots_api::PrepareSnapshotResponse& response,
                                  grpc::ServerUnaryReactor& call);

    Snapshotter& snapshotter_;
    RemotePreparer& remote_;
    io::Reactor& reactor_;
    io::Pool& pool_;
};

}  // namespace lazybuild::service
