// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/blob_origins.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/file.h"

namespace lazybuild::layer {

using io::or_return;
namespace {

using store::Origin;

// Both kinds of local origin are a file.
std::string local_path(const Origin& origin, const codec::Digest& blob) {
    return origin.kind == Origin::Kind::oci_layout ? origin.path + "/blobs/sha256/" + blob.hex()
                                                   : origin.path;
}

Result<Bytes> read_local(const std::string& path, std::uint64_t offset_bytes,
                         std::uint64_t size_bytes) {
    TRY(Fd file, open_file(path, O_RDONLY));
    Bytes bytes(size_bytes);
    TRY(const std::size_t count, pread_full(file.get(), bytes, offset_bytes));
    if (count != size_bytes) {
        return fail(corrupt(path + ": ends before the size that its descriptor says"));
    }
    return bytes;
}

class LocalStream final : public registry::BlobStream {
  public:
    LocalStream(Fd file, std::uint64_t offset_bytes, std::uint64_t size_bytes, io::Reactor& reactor,
                io::Pool& pool)
        : file_(std::move(file)),
          offset_bytes_(offset_bytes),
          size_bytes_(size_bytes),
          reactor_(reactor),
          pool_(pool) {}

    io::Task<Result<std::size_t>> read(MutableByteView out, io::Wait /*wait*/) override {
        auto job = [this, out] { return pread_full(file_.get(), out, offset_bytes_); };
        Result<std::size_t> count = co_await io::run_on(pool_, reactor_, std::move(job));
        if (count) {
            offset_bytes_ += *count;
        }
        co_return count;
    }
    std::uint64_t offset_bytes() const override { return offset_bytes_; }
    std::optional<std::uint64_t> blob_size_bytes() const override { return size_bytes_; }

  private:
    Fd file_;
    std::uint64_t offset_bytes_;
    std::uint64_t size_bytes_;
    io::Reactor& reactor_;
    io::Pool& pool_;
};

struct OpenFile {
    Fd file;
    std::uint64_t size_bytes = 0;
};

Result<OpenFile> open_local(const std::string& path) {
    TRY(Fd file, open_file(path, O_RDONLY));
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) {
        return fail(errno_error("fstat " + path));
    }
    return OpenFile{.file = std::move(file),
                    .size_bytes = static_cast<std::uint64_t>(status.st_size)};
}

Error no_origin(const codec::Digest& blob) {
    return Error{.code = std::errc::no_such_file_or_directory,
                 .message = "no origin is recorded for the blob " + blob.text()};
}

}  // namespace

io::Task<Result<Bytes>> BlobOrigins::read(codec::Digest blob, std::uint64_t offset_bytes,
                                          std::uint64_t size_bytes, std::size_t first,
                                          io::Wait wait) {
    std::vector<Origin> origins = co_await or_return(co_await origins_of(blob, first));
    Result<Bytes> bytes = fail(no_origin(blob));
    for (const Origin& origin : origins) {
        if (origin.kind == Origin::Kind::registry) {
            const registry::Repository repository{.host = origin.host, .name = origin.path};
            const io::Wait patience = &origin == &origins.back() ? wait : patient(wait);
            health_.begins(origin.host);
            bytes =
                co_await client_.get_range(repository, blob, offset_bytes, size_bytes, patience);
            note(health_, origin.host, bytes);
        } else {
            std::string path = local_path(origin, blob);
            auto job = [path, offset_bytes, size_bytes] {
                return read_local(path, offset_bytes, size_bytes);
            };
            bytes = co_await io::run_on(pool_, reactor_, std::move(job));
        }
        if (bytes || bytes.error().code == std::errc::operation_canceled) {
            break;
        }
    }
    co_return bytes;
}

io::Task<Result<std::unique_ptr<registry::BlobStream>>> BlobOrigins::open(
    codec::Digest blob, std::uint64_t offset_bytes, io::Wait wait) {
    std::vector<Origin> origins = co_await or_return(co_await origins_of(blob, 0));
    Result<std::unique_ptr<registry::BlobStream>> stream = fail(no_origin(blob));
    for (const Origin& origin : origins) {
        if (origin.kind == Origin::Kind::registry) {
            const registry::Repository repository{.host = origin.host, .name = origin.path};
            const io::Wait patience = &origin == &origins.back() ? wait : patient(wait);
            health_.begins(origin.host);
            stream = co_await client_.open_blob(repository, blob, offset_bytes, patience);
            note(health_, origin.host, stream);
        } else {
            std::string path = local_path(origin, blob);
            auto job = [path] { return open_local(path); };
            Result<OpenFile> file = co_await io::run_on(pool_, reactor_, std::move(job));
            if (file) {
                stream = std::make_unique<LocalStream>(std::move(file->file), offset_bytes,
                                                       file->size_bytes, reactor_, pool_);
            } else {
                stream = std::unexpected(std::move(file).error());
            }
        }
        if (stream || stream.error().code == std::errc::operation_canceled) {
            break;
        }
    }
    co_return stream;
}

io::Task<Result<std::string>> BlobOrigins::first_host(codec::Digest blob) {
    std::vector<Origin> origins = co_await or_return(co_await origins_of(blob, 0));
    co_return origins.empty() ? std::string{} : origins.front().host;
}

// SQLite may wait for its disk, so the question is asked on the pool.
io::Task<Result<std::vector<Origin>>> BlobOrigins::origins_of(codec::Digest blob,
                                                              std::size_t first) {
    auto job = [this, blob] { return store_.origins(blob); };
    std::vector<Origin> origins =
        co_await or_return(co_await io::run_on(pool_, reactor_, std::move(job)));
    if (!origins.empty()) {
        std::ranges::rotate(origins,
                            origins.begin() + static_cast<std::ptrdiff_t>(first % origins.size()));
    }
    // Files have no host, and do not ail.
    co_return ailing_last(health_, origins, [](const Origin& origin) { return origin.host; });
}

}  // namespace lazybuild::layer
