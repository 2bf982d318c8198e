// SPDX-License-Identifier: Apache-2.0
// Which failures may pass by themselves, how long to wait for that, and how a refusal is worded.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "base/result.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/registry/http_message.h"
#include "snapshotter/registry/url.h"

namespace lazybuild::registry {

/// The peer went away while we spoke.
bool is_connection_lost(const Error& error);

/// Worth another try: a lost, refused or silent connection, or a name without an answer.
bool is_passing(const Error& error);

/// Worth another try: 408, 429 and 5xx but for 501.
bool is_passing_status(int status);

/// A response that is no success, as an Error: method, URL without its query, status, and the first
/// error of the registry's JSON in `body`. client.h lists the codes. A 401 or 403 comes with what
/// to do: log in to `registry_host`.
Error status_error(std::string_view method, const Url& url, const ResponseHead& head, ByteView body,
                   std::string_view registry_host);

struct RetryOptions {
    int attempts_max = 5;
    std::chrono::milliseconds backoff_first{200};
    std::chrono::milliseconds backoff_max{10'000};
    std::chrono::milliseconds retry_after_max{60'000};
};

/// Counts the attempts of one operation and waits between them: exponential, with jitter, so that
/// many clients of a registry that was down do not come back in step.
class Retries {
  public:
    Retries(io::Reactor& reactor, RetryOptions options) : reactor_(reactor), options_(options) {}

    /// Retry-After of the attempt that just failed; the next pause is at least that long.
    void server_asked(std::optional<std::chrono::seconds> pause) { asked_ = pause; }

    /// After a failed attempt: waits, and says true when there is to be another one. False when the
    /// attempts are used up, or the pause would outlast the deadline: the failure at hand is then
    /// the result. Errors: operation_canceled.
    io::Task<Result<bool>> pause(io::Wait wait);

  private:
    io::Reactor& reactor_;
    const RetryOptions options_;
    int attempts_ = 0;
    std::optional<std::chrono::seconds> asked_;
};

/// The Retry-After field, seen from now.
std::optional<std::chrono::seconds> retry_after(const ResponseHead& head);

}  // namespace lazybuild::registry
