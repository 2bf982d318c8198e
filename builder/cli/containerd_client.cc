// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/containerd_client.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <github.com/containerd/containerd/api/services/content/v1/content.grpc.pb.h>
#include <github.com/containerd/containerd/api/services/diff/v1/diff.grpc.pb.h>
#include <github.com/containerd/containerd/api/services/images/v1/images.grpc.pb.h>
#include <github.com/containerd/containerd/api/services/leases/v1/leases.grpc.pb.h>
#include <github.com/containerd/containerd/api/services/snapshots/v1/snapshots.grpc.pb.h>
#include <github.com/containerd/containerd/api/services/version/v1/version.grpc.pb.h>

#include <chrono>
#include <utility>

#include "builder/cli/containerd_call.h"
#include "builder/cli/containerd_content.h"

namespace lazybuild::cli {
namespace {

namespace content = containerd::services::content::v1;
namespace diff = containerd::services::diff::v1;
namespace images = containerd::services::images::v1;
namespace leases = containerd::services::leases::v1;
namespace snapshots = containerd::services::snapshots::v1;

constexpr std::chrono::seconds kPatience{60};
/// A lazy snapshotter may take 30 s to find out that it cannot serve a layer.
constexpr std::chrono::seconds kPreparePatience{180};
/// Unpacking is as slow as the layer is large and the disk slow.
constexpr std::chrono::seconds kApplyPatience{3600};
constexpr std::chrono::seconds kConnectPatience{10};
constexpr std::chrono::hours kLeaseLife{24};

std::errc condition_of(grpc::StatusCode code) {
    switch (code) {
        case grpc::StatusCode::NOT_FOUND: return std::errc::no_such_file_or_directory;
        case grpc::StatusCode::ALREADY_EXISTS: return std::errc::file_exists;
        case grpc::StatusCode::DEADLINE_EXCEEDED: return std::errc::timed_out;
        case grpc::StatusCode::CANCELLED: return std::errc::operation_canceled;
        case grpc::StatusCode::PERMISSION_DENIED: return std::errc::permission_denied;
        case grpc::StatusCode::INVALID_ARGUMENT: return std::errc::invalid_argument;
        case grpc::StatusCode::UNIMPLEMENTED: return std::errc::not_supported;
        case grpc::StatusCode::UNAVAILABLE: return std::errc::connection_refused;
        default: return std::errc::io_error;
    }
}

// One unary call: `method` of `Stub`, with what every call has.
template <class Stub, class Request, class Response>
Result<Response> call(ContainerdCalls& calls, std::unique_ptr<Stub> stub,
                      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                      const Request& request, std::string_view what,
                      std::chrono::seconds patience = kPatience) {
    ContainerdCall under_way(calls, patience);
    Response response;
    const grpc::Status status = ((*stub).*method)(under_way.context(), request, &response);
    if (!status.ok()) {
        return fail(containerd_error(what, status));
    }
    return response;
}

// What is done when nothing is wrong: the answer says no more than that.
template <class Response>
Result<void> done(Result<Response> response) {
    if (!response) {
        return fail(std::move(response).error());
    }
    return {};
}

template <class Message>
void set_labels(Message& message, const codec::StringMap& labels) {
    for (const auto& [name, value] : labels) {
        (*message.mutable_labels())[name] = value;
    }
}

std::vector<ContainerdMount> mounts_of(const snapshots::PrepareSnapshotResponse& response) {
    std::vector<ContainerdMount> mounts;
    for (const containerd::types::Mount& mount : response.mounts()) {
        mounts.push_back(ContainerdMount{
            .type = mount.type(),
            .source = mount.source(),
            .target = mount.target(),
            .options = {mount.options().begin(), mount.options().end()},
        });
    }
    return mounts;
}

void fill_descriptor(containerd::types::Descriptor& message, const codec::Descriptor& descriptor) {
    message.set_media_type(descriptor.media_type);
    message.set_digest(descriptor.digest.text());
    message.set_size(static_cast<std::int64_t>(descriptor.size_bytes));
    for (const auto& [name, value] : descriptor.annotations) {
        (*message.mutable_annotations())[name] = value;
    }
}

}  // namespace

Error containerd_error(std::string_view what, const grpc::Status& status) {
    return Error{.code = condition_of(status.error_code()),
                 .message = fmt::format("containerd: {}: {}", what, status.error_message())};
}

void ContainerdCalls::use_lease(std::string lease) {
    const std::lock_guard lock(mutex_);
    lease_ = std::move(lease);
}

void ContainerdCalls::interrupt() {
    const std::lock_guard lock(mutex_);
    interrupted_ = true;
    for (grpc::ClientContext* context : under_way_) {
        context->TryCancel();
    }
}

void ContainerdCalls::begin_cleanup() {
    const std::lock_guard lock(mutex_);
    interrupted_ = false;
}

ContainerdCall::ContainerdCall(ContainerdCalls& calls, std::chrono::seconds patience)
    : calls_(calls) {
    context_.set_deadline(std::chrono::system_clock::now() + patience);
    context_.AddMetadata("containerd-namespace", calls.name_space_);
    const std::lock_guard lock(calls.mutex_);
    if (!calls.lease_.empty()) {
        context_.AddMetadata("containerd-lease", calls.lease_);
    }
    if (calls.interrupted_) {
        context_.TryCancel();
    }
    calls.under_way_.insert(&context_);
}

ContainerdCall::~ContainerdCall() {
    const std::lock_guard lock(calls_.mutex_);
    calls_.under_way_.erase(&context_);
}

ContainerdClient::ContainerdClient(std::unique_ptr<ContainerdCalls> calls)
    : calls_(std::move(calls)) {}
ContainerdClient::~ContainerdClient() = default;

Result<std::unique_ptr<ContainerdClient>> ContainerdClient::connect(const std::string& socket,
                                                                    const std::string& name_space) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(16 << 20);
    auto channel =
        grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
    std::unique_ptr<ContainerdClient> client{
        new ContainerdClient(std::make_unique<ContainerdCalls>(std::move(channel), name_space))};
    using Version = containerd::services::version::v1::Version;
    const auto answer =
        call(*client->calls_, Version::NewStub(client->calls_->channel), &Version::Stub::Version,
             google::protobuf::Empty{}, "version", kConnectPatience);
    if (!answer) {
        return fail(answer.error().context(
            fmt::format("no containerd at {} (does it run, and may we use its socket?)", socket)));
    }
    client->version_ = answer->version();
    return client;
}

void ContainerdClient::interrupt() {
    calls_->interrupt();
}

void ContainerdClient::begin_cleanup() {
    calls_->begin_cleanup();
}

Result<void> ContainerdClient::create_lease(const std::string& id) {
    leases::CreateRequest request;
    request.set_id(id);
    const auto end = std::chrono::system_clock::now() + kLeaseLife;
    (*request.mutable_labels())["containerd.io/gc.expire"] = fmt::format(
        "{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(end)));
    CHECK_OK(done(call(*calls_, leases::Leases::NewStub(calls_->channel),
                       &leases::Leases::Stub::Create, request, "create a lease")));
    calls_->use_lease(id);
    return {};
}

Result<void> ContainerdClient::delete_lease(const std::string& id) {
    calls_->use_lease("");
    leases::DeleteRequest request;
    request.set_id(id);
    // Not in sync: what the lease alone kept may go whenever containerd collects garbage.
    return done(call(*calls_, leases::Leases::NewStub(calls_->channel),
                     &leases::Leases::Stub::Delete, request, "delete the lease " + id));
}

Result<void> ContainerdClient::lease_snapshot(const std::string& lease,
                                              const std::string& snapshotter,
                                              const std::string& name) {
    leases::AddResourceRequest request;
    request.set_id(lease);
    request.mutable_resource()->set_id(name);
    request.mutable_resource()->set_type("snapshots/" + snapshotter);
    return done(call(*calls_, leases::Leases::NewStub(calls_->channel),
                     &leases::Leases::Stub::AddResource, request, "lease of snapshot " + name));
}

Result<std::unique_ptr<ContentIngest>> ContainerdClient::open_ingest(
    const std::string& ref, const codec::Descriptor& blob) {
    return open_content_ingest(*calls_, ref, blob);
}

Result<std::optional<codec::StringMap>> ContainerdClient::content_labels(
    const codec::Digest& blob) {
    content::InfoRequest request;
    request.set_digest(blob.text());
    const auto answer =
        call(*calls_, content::Content::NewStub(calls_->channel), &content::Content::Stub::Info,
             request, "content info of " + blob.text());
    if (!answer) {
        if (answer.error().code == std::errc::no_such_file_or_directory) {
            return std::nullopt;
        }
        return fail(answer.error());
    }
    codec::StringMap labels;
    for (const auto& [name, value] : answer->info().labels()) {
        labels.emplace(name, value);
    }
    return std::optional{std::move(labels)};
}

Result<void> ContainerdClient::set_content_labels(const codec::Digest& blob,
                                                  const codec::StringMap& labels) {
    content::UpdateRequest request;
    request.mutable_info()->set_digest(blob.text());
    set_labels(*request.mutable_info(), labels);
    for (const auto& [name, value] : labels) {
        request.mutable_update_mask()->add_paths("labels." + name);
    }
    return done(call(*calls_, content::Content::NewStub(calls_->channel),
                     &content::Content::Stub::Update, request, "labels of " + blob.text()));
}

Result<PreparedSnapshot> ContainerdClient::prepare_snapshot(const std::string& snapshotter,
                                                            const std::string& key,
                                                            const std::string& parent,
                                                            const codec::StringMap& labels) {
    snapshots::PrepareSnapshotRequest request;
    request.set_snapshotter(snapshotter);
    request.set_key(key);
    request.set_parent(parent);
    set_labels(request, labels);
    const auto answer = call(*calls_, snapshots::Snapshots::NewStub(calls_->channel),
                             &snapshots::Snapshots::Stub::Prepare, request,
                             "prepare snapshot " + key, kPreparePatience);
    if (answer) {
        return PreparedSnapshot{.exists = false, .mounts = mounts_of(*answer)};
    }
    if (answer.error().code == std::errc::file_exists) {
        return PreparedSnapshot{.exists = true, .mounts = {}};
    }
    return fail(answer.error());
}

Result<bool> ContainerdClient::has_snapshot(const std::string& snapshotter,
                                            const std::string& name) {
    snapshots::StatSnapshotRequest request;
    request.set_snapshotter(snapshotter);
    request.set_key(name);
    const auto answer =
        call(*calls_, snapshots::Snapshots::NewStub(calls_->channel),
             &snapshots::Snapshots::Stub::Stat, request, "stat of snapshot " + name);
    if (answer) {
        return answer->info().kind() == snapshots::COMMITTED;
    }
    if (answer.error().code == std::errc::no_such_file_or_directory) {
        return false;
    }
    return fail(answer.error());
}

Result<void> ContainerdClient::commit_snapshot(const std::string& snapshotter,
                                               const std::string& name, const std::string& key,
                                               const codec::StringMap& labels) {
    snapshots::CommitSnapshotRequest request;
    request.set_snapshotter(snapshotter);
    request.set_name(name);
    request.set_key(key);
    set_labels(request, labels);
    return done(call(*calls_, snapshots::Snapshots::NewStub(calls_->channel),
                     &snapshots::Snapshots::Stub::Commit, request, "commit snapshot " + name));
}

Result<void> ContainerdClient::remove_snapshot(const std::string& snapshotter,
                                               const std::string& key) {
    snapshots::RemoveSnapshotRequest request;
    request.set_snapshotter(snapshotter);
    request.set_key(key);
    auto removed =
        done(call(*calls_, snapshots::Snapshots::NewStub(calls_->channel),
                  &snapshots::Snapshots::Stub::Remove, request, "remove snapshot " + key));
    if (!removed && removed.error().code == std::errc::no_such_file_or_directory) {
        return {};
    }
    return removed;
}

Result<codec::Digest> ContainerdClient::apply_diff(const codec::Descriptor& layer,
                                                   const std::vector<ContainerdMount>& mounts) {
    diff::ApplyRequest request;
    fill_descriptor(*request.mutable_diff(), layer);
    for (const ContainerdMount& mount : mounts) {
        containerd::types::Mount& message = *request.add_mounts();
        message.set_type(mount.type);
        message.set_source(mount.source);
        message.set_target(mount.target);
        for (const std::string& option : mount.options) {
            message.add_options(option);
        }
    }
    TRY(const diff::ApplyResponse answer,
        call(*calls_, diff::Diff::NewStub(calls_->channel), &diff::Diff::Stub::Apply, request,
             "unpack layer " + layer.digest.text(), kApplyPatience));
    return codec::Digest::parse(answer.applied().digest());
}

Result<void> ContainerdClient::put_image(const std::string& name, const codec::Descriptor& target) {
    images::CreateImageRequest create;
    create.mutable_image()->set_name(name);
    fill_descriptor(*create.mutable_image()->mutable_target(), target);
    const auto created = done(call(*calls_, images::Images::NewStub(calls_->channel),
                                   &images::Images::Stub::Create, create, "create image " + name));
    if (created || created.error().code != std::errc::file_exists) {
        return created;
    }
    images::UpdateImageRequest update;
    *update.mutable_image() = create.image();
    update.mutable_update_mask()->add_paths("target");
    return done(call(*calls_, images::Images::NewStub(calls_->channel),
                     &images::Images::Stub::Update, update, "update image " + name));
}

}  // namespace lazybuild::cli
