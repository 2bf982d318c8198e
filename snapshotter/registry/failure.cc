// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "snapshotter/io/operations.h"
#include "snapshotter/registry/challenge.h"
#include "snapshotter/registry/text.h"
#include "snapshotter/registry/wire_json.h"

namespace lazybuild::registry {
namespace {

std::errc code_of(int status) {
    switch (status) {
        case 401:
        case 403: return std::errc::permission_denied;
        case 404: return std::errc::no_such_file_or_directory;
        case 416: return std::errc::invalid_argument;
        default: break;
    }
    return is_passing_status(status) ? std::errc::resource_unavailable_try_again
                                     : std::errc::protocol_error;
}

// Between half and all of `pause`.
std::chrono::milliseconds jittered(std::chrono::milliseconds pause) {
    static thread_local std::minstd_rand generator{std::random_device{}()};
    std::uniform_int_distribution<std::chrono::milliseconds::rep> pick(pause.count() / 2,
                                                                       pause.count());
    return std::chrono::milliseconds(pick(generator));
}

}  // namespace

bool is_connection_lost(const Error& error) {
    return error.code == std::errc::connection_reset || error.code == std::errc::broken_pipe ||
           error.code == std::errc::connection_aborted || error.code == std::errc::not_connected;
}

bool is_passing(const Error& error) {
    switch (error.code) {
        case std::errc::connection_refused:
        case std::errc::host_unreachable:
        case std::errc::network_unreachable:
        case std::errc::network_down:
        case std::errc::network_reset:
        case std::errc::timed_out:
        case std::errc::resource_unavailable_try_again: return true;
        default: return is_connection_lost(error);
    }
}

bool is_passing_status(int status) {
    return status == 408 || status == 429 || (status >= 500 && status <= 599 && status != 501);
}

Error status_error(std::string_view method, const Url& url, const ResponseHead& head, ByteView body,
                   std::string_view registry_host) {
    std::string message = fmt::format("{} {}: {}", method, url.redacted(), head.status);
    if (const std::string reason = printable_line(head.reason, 60); !reason.empty()) {
        message += " " + reason;
    }
    if (const std::string detail = error_text(body); !detail.empty()) {
        message += ": " + detail;
    }
    if (head.status == 401 || head.status == 403) {
        message +=
            fmt::format(" (is it the right name? else log in: docker login {})", registry_host);
    }
    return Error{code_of(head.status), std::move(message)};
}

io::Task<Result<bool>> Retries::pause(io::Wait wait) {
    ++attempts_;
    if (attempts_ >= options_.attempts_max) {
        co_return false;
    }
    constexpr int kDoublingsMax = 20;
    std::chrono::milliseconds pause =
        options_.backoff_first * (1 << std::min(attempts_ - 1, kDoublingsMax));
    pause = jittered(std::min(pause, options_.backoff_max));
    if (const auto asked = std::exchange(asked_, std::nullopt)) {
        const std::chrono::milliseconds asked_ms = *asked;
        pause = std::max(pause, std::min(asked_ms, options_.retry_after_max));
    }
    const io::Deadline until = io::deadline_in(pause);
    if (until >= wait.deadline) {
        co_return false;
    }
    io::Wait sleep_wait{.deadline = until, .cancel = wait.cancel};
    co_await io::or_return(co_await io::sleep(reactor_, std::move(sleep_wait)));
    co_return true;
}

std::optional<std::chrono::seconds> retry_after(const ResponseHead& head) {
    const auto field = head.field("Retry-After");
    return field ? parse_retry_after(*field, std::chrono::system_clock::now()) : std::nullopt;
}

}  // namespace lazybuild::registry
