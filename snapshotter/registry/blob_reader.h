// SPDX-License-Identifier: Apache-2.0
// Blobs, downloaded by range or as a stream. Remembers where a registry redirected a blob to, so
// that the many small reads of one layer need one round trip each instead of two.
//
// Source: RFC 9110 section 14 (ranges); OCI distribution-spec v1.1 "Pulling blobs".
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "codec/digest.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/registry/blob_stream.h"
#include "snapshotter/registry/reference.h"
#include "snapshotter/registry/requester.h"

namespace lazybuild::registry {

/// Of a registry that ignores Range: so many bytes are read and dropped, more is not_supported.
inline constexpr std::uint64_t kSkipBytesMax = 1 << 20;
/// Remembered redirects beyond this many are forgotten.
inline constexpr std::size_t kRedirectsKeptMax = 4096;

/// Thread: the reactor's. The requester outlives it; it outlives its tasks.
class BlobReader {
  public:
    explicit BlobReader(Requester& requester) : requester_(requester) {}

    // As in client.h.
    io::Task<Result<Bytes>> get_range(Repository repository, codec::Digest blob,
                                      std::uint64_t offset_bytes, std::uint64_t size_bytes,
                                      io::Wait wait);
    io::Task<Result<std::unique_ptr<BlobStream>>> open(Repository repository, codec::Digest blob,
                                                       std::uint64_t offset_bytes, io::Wait wait);
    /// `access`: a pull's, or a push's whose token is to be used again.
    io::Task<Result<std::optional<std::uint64_t>>> size(Access access, codec::Digest blob,
                                                        io::Wait wait);

  private:
    struct Range {
        std::uint64_t offset_bytes = 0;
        std::optional<std::uint64_t> size_bytes;  // nullopt: to the end
    };
    struct Opened;
    struct Redirect {
        Url url;
        io::Deadline until;
    };

    io::Task<Result<Opened>> open_once(Repository repository, codec::Digest blob, Range range,
                                       Retries& retries, io::Wait wait);
    io::Task<Result<Response>> request_range(Repository repository, codec::Digest blob, Range range,
                                             Retries& retries, io::Wait wait);
    io::Task<Result<void>> read_range_once(Repository repository, codec::Digest blob,
                                           std::uint64_t offset_bytes, std::uint64_t size_bytes,
                                           Bytes& out, Retries& retries, io::Wait wait);
    io::Task<Result<std::unique_ptr<BlobStream>>> open_stream_once(Repository repository,
                                                                   codec::Digest blob,
                                                                   std::uint64_t offset_bytes,
                                                                   Retries& retries, io::Wait wait);
    io::Task<Result<std::optional<std::uint64_t>>> size_once(Access access, codec::Digest blob,
                                                             Retries& retries, io::Wait wait);
    io::Task<Result<std::optional<std::uint64_t>>> size_by_range(Access access, Url url,
                                                                 Retries& retries, io::Wait wait);

    const Url* redirect_of(const std::string& key);
    void remember(const std::string& key, const Url& url);

    Requester& requester_;
    std::map<std::string, Redirect> redirects_;  // by "host/name@digest"
};

}  // namespace lazybuild::registry
