// SPDX-License-Identifier: Apache-2.0
// Blobs, pushed: each in one upload session with one PUT, or mounted from another repository.
//
// Source: OCI distribution-spec v1.1 "Pushing blobs": "POST then PUT" and "Mounting a blob".
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/stream.h"
#include "codec/digest.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/registry/blob_reader.h"
#include "snapshotter/registry/blob_stream.h"
#include "snapshotter/registry/client.h"
#include "snapshotter/registry/reference.h"
#include "snapshotter/registry/requester.h"

namespace lazybuild::registry {

/// Thread: the reactor's. Requester and reader outlive it; it outlives its tasks.
class Uploader {
  public:
    Uploader(Requester& requester, BlobReader& reader) : requester_(requester), reader_(reader) {}

    // As in client.h.
    io::Task<Result<bool>> mount(Repository target, codec::Digest blob, std::string from_name,
                                 io::Wait wait);
    io::Task<Result<void>> push(Repository repository, codec::Digest blob,
                                const RandomAccess& content, Asked asked, io::Wait wait);

    /// Opens the blob at its origin, from the beginning.
    using Opener = std::function<io::Task<Result<std::unique_ptr<BlobStream>>>()>;
    /// Streams the blob from where `open` finds it; again from the beginning when an upload fails.
    io::Task<Result<void>> copy(Repository target, codec::Digest blob, std::uint64_t size_bytes,
                                Opener open, Asked asked, io::Wait wait);

  private:
    io::Task<Result<bool>> mount_once(Repository target, codec::Digest blob, std::string from_name,
                                      Retries& retries, io::Wait wait);
    io::Task<Result<void>> push_once(Repository repository, codec::Digest blob,
                                     const RandomAccess& content, Asked asked, Retries& retries,
                                     io::Wait wait);
    io::Task<Result<void>> copy_once(Repository target, codec::Digest blob,
                                     std::uint64_t size_bytes, const Opener& open, Asked asked,
                                     Retries& retries, io::Wait wait);
    io::Task<Result<bool>> is_there(Repository repository, codec::Digest blob, Asked asked,
                                    io::Wait wait);
    io::Task<Result<Url>> begin_session(Repository repository, Retries& retries, io::Wait wait);
    io::Task<Result<void>> put(Repository repository, codec::Digest blob, Url session,
                               BodySource& source, Retries& retries, io::Wait wait);
    io::Task<void> cancel_session(Repository repository, Url session, io::Wait wait);

    Requester& requester_;
    BlobReader& reader_;
};

/// Fails when `response` names a Docker-Content-Digest that is not `expected`.
Result<void> check_content_digest(const Response& response, const codec::Digest& expected);

}  // namespace lazybuild::registry
