// SPDX-License-Identifier: Apache-2.0
// docker's daemon, as a client that loads images sees it: two requests of its API, over its Unix
// socket.
//
// All calls block; they end when the session is interrupted, and when the daemon says nothing for
// kDockerSilence. Threads: one at a time for each object, not the reactor's.
//
// Source: Docker Engine API v1.41, SystemPing and ImageLoad.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "base/stream.h"
#include "builder/image/session.h"

namespace lazybuild::cli {

/// docker unpacks an image before it answers.
inline constexpr std::chrono::minutes kDockerSilence{10};

class DockerSocket {
  public:
    /// Errors: those of connect(2), naming `path`; protocol_error when it is not docker that
    /// answers. `session` outlives it.
    static Result<std::unique_ptr<DockerSocket>> open(const std::string& path,
                                                      const image::Session& session);

    /// Has docker load the archive that `write` writes. Errors: those of `write`; io_error with
    /// docker's own words.
    Result<void> load(const std::function<Result<void>(ByteSink&)>& write) const;

  private:
    DockerSocket(std::string path, const image::Session& session)
        : path_(std::move(path)), session_(session) {}

    std::string path_;
    const image::Session& session_;
};

}  // namespace lazybuild::cli
