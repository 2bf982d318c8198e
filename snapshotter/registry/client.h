// SPDX-License-Identifier: Apache-2.0
// A client of OCI and Docker registries: manifests and blobs, pulled whole, by range or as a
// stream, and pushed.
//
// Each call retries what may pass (connection errors, 408, 429, 5xx) with jittered backoff until
// its Wait says stop or attempts_max is reached, follows redirects, and asks for credentials and
// tokens as the registry demands. Credentials go to the registry that asked, never to a host it
// redirects to, and never into a message or a log.
//
// Threads: every member is used on the reactor's thread. File reads, DNS and credential helpers run
// on the pool. Lifetime: the reactor and the pool outlive the Client, the Client outlives its
// tasks and BlobStreams.
//
// Errors (std::errc) that all calls share:
//   no_such_file_or_directory  the registry has no such manifest, blob or repository
//   permission_denied          401 or 403 after the credentials that we have were tried
//   bad_message                the answer is not HTTP, not JSON, or has another digest
//   argument_out_of_domain     the answer goes past a limit of ours
//   timed_out, operation_canceled   the Wait's deadline, or its token
//   resource_unavailable_try_again  429 or 5xx to the last attempt
//   not_supported              the registry does not do what the call needs (ranges)
//   protocol_error             any other refusal; the message has the registry's own words
//   else the errno of the connection that failed (connection_refused, host_unreachable …)
//
// Source: OCI distribution-spec v1.1; Docker registry token authentication.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/stream.h"
#include "codec/digest.h"
#include "snapshotter/io/pool.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/registry/blob_stream.h"
#include "snapshotter/registry/client_options.h"
#include "snapshotter/registry/reference.h"

namespace lazybuild::registry {

inline constexpr std::size_t kManifestBytesMax = 4 << 20;

/// A manifest or an index, byte for byte as the registry sent it.
struct Document {
    std::string media_type;  ///< Content-Type without parameters; may be empty
    codec::Digest digest;    ///< of `bytes`, computed here
    Bytes bytes;
};

/// Whether somebody has asked just now if the repository has the blob.
enum class Asked : std::uint8_t { no, has_not };

class Client {
  public:
    Client(io::Reactor& reactor, io::Pool& pool, ClientOptions options = {});
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// From now on `other`, which outlives this, is asked for all that is asked of `repository`
    /// here: a repository that has to be spoken to in another way than the rest. The first one for
    /// a repository stays. Thread: any.
    void hand_over(const Repository& repository, Client& other);

    /// GET of a manifest or index. Asked for by digest, or answered with a
    /// Docker-Content-Digest, the bytes are verified. At most kManifestBytesMax.
    io::Task<Result<Document>> get_manifest(Repository repository, std::string tag_or_digest,
                                            io::Wait wait);

    /// HEAD of a manifest: its digest as the registry says it; nullopt: there is none.
    io::Task<Result<std::optional<codec::Digest>>> manifest_digest(Repository repository,
                                                                   std::string tag_or_digest,
                                                                   io::Wait wait);

    /// Exactly bytes [offset, offset + size) of a blob; `size_bytes` > 0. Not verified.
    /// Errors besides: invalid_argument when the blob ends before (416).
    io::Task<Result<Bytes>> get_range(Repository repository, codec::Digest blob,
                                      std::uint64_t offset_bytes, std::uint64_t size_bytes,
                                      io::Wait wait);

    /// The blob from `offset_bytes` to its end. Each BlobStream holds one of the host's
    /// connections until its end or destruction.
    io::Task<Result<std::unique_ptr<BlobStream>>> open_blob(Repository repository,
                                                            codec::Digest blob,
                                                            std::uint64_t offset_bytes,
                                                            io::Wait wait);

    /// Size of a blob; nullopt: the repository does not have it.
    io::Task<Result<std::optional<std::uint64_t>>> blob_size(Repository repository,
                                                             codec::Digest blob, io::Wait wait);

    /// Asks the registry of `target` to take the blob from its own repository `from_name`.
    /// false: it would not, push the blob.
    io::Task<Result<bool>> mount_blob(Repository target, codec::Digest blob, std::string from_name,
                                      io::Wait wait);

    /// Pushes a blob unless the repository has it, which is not asked again when somebody just has.
    /// `content` outlives the task; it is read on the pool's threads. The registry verifies the
    /// digest.
    io::Task<Result<void>> push_blob(Repository repository, codec::Digest blob,
                                     const RandomAccess& content, io::Wait wait,
                                     Asked asked = Asked::no);

    /// The same for a blob of `size_bytes` that is in `origin_repository` of `origin`: streamed
    /// from there, never stored. `origin` may be this Client, and outlives the task.
    io::Task<Result<void>> copy_blob(Repository target, codec::Digest blob,
                                     std::uint64_t size_bytes, Client& origin,
                                     Repository origin_repository, io::Wait wait,
                                     Asked asked = Asked::no);

    /// PUT of a manifest or index under a tag or its digest. A registry that answers with another
    /// digest than the bytes have is an Error (bad_message).
    io::Task<Result<void>> put_manifest(Repository repository, std::string tag_or_digest,
                                        std::string media_type, Bytes bytes, io::Wait wait);

  private:
    class Implementation;
    Implementation& of(const Repository& repository);

    std::unique_ptr<Implementation> implementation_;
};

}  // namespace lazybuild::registry
