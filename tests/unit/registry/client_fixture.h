// SPDX-License-Identifier: Apache-2.0
// A registry client with its reactor and pool, and blobs to move about.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "codec/sha256.h"
#include "snapshotter/io/operations.h"
#include "snapshotter/registry/client.h"
#include "tests/support/reactor.h"

namespace lazybuild::registry {

/// Long enough for a slow machine; a test that gets here has failed.
inline constexpr std::chrono::seconds kTestDeadline{60};

/// Retries at once, so that tests of retrying take no time.
inline ClientOptions quick_options() {
    ClientOptions options;
    options.backoff_first = std::chrono::milliseconds(1);
    options.backoff_max = std::chrono::milliseconds(2);
    options.host_certificates_root.clear();
    // Not the credentials of whoever runs the tests.
    options.credential = Credential{};
    return options;
}

/// The same bytes for the same seed.
inline Bytes random_bytes(std::size_t size_bytes, unsigned seed) {
    std::mt19937 random{seed};
    Bytes bytes(size_bytes);
    for (std::byte& byte : bytes) {
        byte = static_cast<std::byte>(random());
    }
    return bytes;
}

class ClientFixture : public testing::Test {
  protected:
    void SetUp() override { use(quick_options()); }
    void TearDown() override { client_.reset(); }

    void use(ClientOptions options) {
        client_.reset();
        client_ = std::make_unique<Client>(*reactor_, pool_, std::move(options));
    }
    Client& client() { return *client_; }

    template <class T>
    T run(io::Task<T> task) {
        return reactor_->block_on(std::move(task));
    }
    static io::Wait soon() { return {.deadline = io::deadline_in(kTestDeadline)}; }

    /// Everything that is left of `stream`.
    static io::Task<Result<Bytes>> read_stream(BlobStream& stream) {
        Bytes all;
        Bytes piece(10'000);
        while (true) {
            const std::size_t size =
                co_await io::or_return(co_await stream.read(MutableByteView(piece), soon()));
            if (size == 0) {
                co_return all;
            }
            all.insert(all.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(size));
        }
    }

    std::unique_ptr<io::Reactor> reactor_ = io::make_reactor();
    io::Pool pool_{2};
    std::unique_ptr<Client> client_;
};

/// The message of a Result that should have failed.
template <class T>
std::string message_of(const Result<T>& result) {
    return result ? "no error" : result.error().message;
}
template <class T>
std::errc code_of(const Result<T>& result) {
    return result ? std::errc{} : result.error().code;
}

}  // namespace lazybuild::registry
