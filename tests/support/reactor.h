// SPDX-License-Identifier: Apache-2.0
// A reactor for a test, and small things that tests of coroutines need.
// A test program that cannot have one because io_uring is forbidden here says so and counts as
// skipped (exit status 77); every other failure is a failure.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/fd.h"
#include "snapshotter/io/reactor.h"

namespace lazybuild::io {

inline std::unique_ptr<Reactor> make_reactor(ReactorOptions options = {}) {
    Result<std::unique_ptr<Reactor>> reactor = Reactor::create(std::move(options));
    if (reactor.has_value()) {
        return *std::move(reactor);
    }
    std::fprintf(stderr, "%s\n", reactor.error().message.c_str());
    const std::errc code = reactor.error().code;
    const bool forbidden =
        code == std::errc::operation_not_permitted || code == std::errc::function_not_supported;
    std::exit(forbidden ? 77 : 1);
}

/// Two connected Unix sockets. Both block, unless asked otherwise.
struct SocketPair {
    explicit SocketPair(int flags = 0) {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0, ends), 0);
        near = Fd(ends[0]);
        far = Fd(ends[1]);
    }
    Fd near;
    Fd far;
};

}  // namespace lazybuild::io
