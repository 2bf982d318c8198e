// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/containerd_content.h"

#include <fmt/format.h>
#include <github.com/containerd/containerd/api/services/content/v1/content.grpc.pb.h>

#include <algorithm>
#include <utility>

namespace lazybuild::cli {
namespace {

namespace content = containerd::services::content::v1;

/// containerd takes messages of up to 16 MiB; smaller ones keep both sides' buffers small.
constexpr std::size_t kMessageBytes = 1 << 20;
/// A deadline for the whole stream: an hour, and as long as this many bytes a second need.
constexpr std::chrono::seconds kStreamPatience{3600};
constexpr std::uint64_t kSlowestBytesPerSecond = 100'000;

class WriteStream final : public ContentIngest {
  public:
    WriteStream(ContainerdCalls& calls, std::string ref, const codec::Descriptor& blob)
        : blob_(blob),
          ref_(std::move(ref)),
          call_(calls, kStreamPatience + std::chrono::seconds(static_cast<std::int64_t>(
                                             blob.size_bytes / kSlowestBytesPerSecond))),
          stub_(content::Content::NewStub(calls.channel)),
          stream_(stub_->Write(call_.context())) {}
    ~WriteStream() override {
        if (!finished_) {
            call_.context()->TryCancel();
            end();
        }
    }

    Result<void> open();
    bool exists() const override { return exists_; }
    bool complete() const override { return offset_bytes_ == blob_.size_bytes && !exists_; }
    Result<void> write(ByteView bytes) override;
    Result<void> commit(const codec::StringMap& labels) override;

  private:
    content::WriteContentRequest request(content::WriteAction action) const;
    Result<content::WriteContentResponse> exchange(const content::WriteContentRequest& request);
    grpc::Status end();
    Error failure(std::string_view what);

    codec::Descriptor blob_;
    std::string ref_;
    ContainerdCall call_;
    std::unique_ptr<content::Content::Stub> stub_;
    std::unique_ptr<
        grpc::ClientReaderWriter<content::WriteContentRequest, content::WriteContentResponse>>
        stream_;
    std::uint64_t offset_bytes_ = 0;
    bool exists_ = false;
    bool finished_ = false;
};

content::WriteContentRequest WriteStream::request(content::WriteAction action) const {
    content::WriteContentRequest message;
    message.set_action(action);
    message.set_ref(ref_);
    message.set_total(static_cast<std::int64_t>(blob_.size_bytes));
    message.set_expected(blob_.digest.text());
    message.set_offset(static_cast<std::int64_t>(offset_bytes_));
    return message;
}

// gRPC shows a stream's status only to who has read all of it; without, Finish() waits for ever.
grpc::Status WriteStream::end() {
    finished_ = true;
    content::WriteContentResponse unread;
    while (stream_->Read(&unread)) {
    }
    return stream_->Finish();
}

// The stream has broken: why.
Error WriteStream::failure(std::string_view what) {
    const grpc::Status status = finished_ ? grpc::Status::OK : end();
    if (status.ok()) {
        return Error{.code = std::errc::io_error,
                     .message = fmt::format("containerd: {}: it ended the stream", what)};
    }
    return containerd_error(what, status);
}

Result<content::WriteContentResponse> WriteStream::exchange(
    const content::WriteContentRequest& message) {
    content::WriteContentResponse response;
    if (finished_ || !stream_->Write(message) || !stream_->Read(&response)) {
        return fail(failure("write of blob " + blob_.digest.text()));
    }
    return response;
}

Result<void> WriteStream::open() {
    const auto response = exchange(request(content::STAT));
    if (!response) {
        exists_ = response.error().code == std::errc::file_exists;
        return exists_ ? Result<void>{} : fail(response.error());
    }
    const auto offset = static_cast<std::uint64_t>(response->offset());
    if (offset != 0 && offset != blob_.size_bytes) {
        return fail(Error{.code = std::errc::io_error,
                          .message = "containerd: an ingest of this name was begun before"});
    }
    offset_bytes_ = offset;
    return {};
}

Result<void> WriteStream::write(ByteView bytes) {
    while (!bytes.empty()) {
        const ByteView piece = bytes.first(std::min(bytes.size(), kMessageBytes));
        content::WriteContentRequest message = request(content::WRITE);
        message.set_data(piece.data(), piece.size());
        TRY(const auto response, exchange(message));
        offset_bytes_ += piece.size();
        if (static_cast<std::uint64_t>(response.offset()) != offset_bytes_) {
            return fail(Error{.code = std::errc::io_error,
                              .message = "containerd: it took another number of bytes"});
        }
        bytes = bytes.subspan(piece.size());
    }
    return {};
}

Result<void> WriteStream::commit(const codec::StringMap& labels) {
    content::WriteContentRequest message = request(content::COMMIT);
    for (const auto& [name, value] : labels) {
        (*message.mutable_labels())[name] = value;
    }
    TRY(const auto response, exchange(message));
    stream_->WritesDone();
    const grpc::Status status = end();
    if (!status.ok()) {
        return fail(containerd_error("commit of blob " + blob_.digest.text(), status));
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<ContentIngest>> open_content_ingest(ContainerdCalls& calls,
                                                           const std::string& ref,
                                                           const codec::Descriptor& blob) {
    auto stream = std::make_unique<WriteStream>(calls, ref, blob);
    CHECK_OK(stream->open());
    return stream;
}

}  // namespace lazybuild::cli
