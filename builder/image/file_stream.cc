// SPDX-License-Identifier: Apache-2.0
#include "builder/image/file_stream.h"

#include <optional>
#include <utility>

namespace lazybuild::image {
namespace {

class FileStream final : public registry::BlobStream {
  public:
    FileStream(Fd file, std::uint64_t offset_bytes, std::uint64_t size_bytes, Session& session)
        : file_(std::move(file)),
          offset_bytes_(offset_bytes),
          size_bytes_(size_bytes),
          session_(session) {}

    io::Task<Result<std::size_t>> read(MutableByteView out, io::Wait wait) override {
        if (wait.cancel.cancelled()) {
            co_return fail(Error{.code = std::errc::operation_canceled, .message = "cancelled"});
        }
        auto job = [this, out] { return pread_full(file_.get(), out, offset_bytes_); };
        const std::size_t count = co_await io::or_return(
            co_await io::run_on(session_.pool(), session_.reactor(), std::move(job)));
        offset_bytes_ += count;
        co_return count;
    }

    std::uint64_t offset_bytes() const override { return offset_bytes_; }
    std::optional<std::uint64_t> blob_size_bytes() const override { return size_bytes_; }

  private:
    Fd file_;
    std::uint64_t offset_bytes_;
    std::uint64_t size_bytes_;
    Session& session_;
};

}  // namespace

std::unique_ptr<registry::BlobStream> file_stream(Fd file, std::uint64_t offset_bytes,
                                                  std::uint64_t size_bytes, Session& session) {
    return std::make_unique<FileStream>(std::move(file), offset_bytes, size_bytes, session);
}

}  // namespace lazybuild::image
