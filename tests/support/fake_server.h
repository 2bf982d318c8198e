// SPDX-License-Identifier: Apache-2.0
// An HTTP server in this process that answers as a test scripts it, right or wrong: the byte stream
// is the test's own, so that truncated, slow, lying and garbled answers can be had at will.
// It listens on a free port of 127.0.0.1 and runs on threads of its own, one per connection.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fd.h"

namespace lazybuild::test {

struct FakeRequest {
    std::string method;
    std::string target;
    std::map<std::string, std::string> fields;  ///< names in lower case
    std::string body;
    std::size_t connection = 0;  ///< the how-manieth of the server, from 0

    std::string field(const std::string& name) const {
        const auto found = fields.find(name);
        return found == fields.end() ? std::string{} : found->second;
    }
};

/// What goes back, byte for byte.
struct FakeReply {
    std::string bytes;
    bool close = false;                 ///< after the bytes
    bool hang = false;                  ///< after the bytes: nothing more, until the peer goes
    std::chrono::milliseconds drip{0};  ///< not zero: one byte at a time, so far apart
};

/// "HTTP/1.1 200 OK" with Content-Length and `fields` ("Name: value\r\n" each).
FakeReply reply(int status, std::string_view body = "", std::string_view fields = "");

class FakeServer {
  public:
    /// Called on the server's threads, one call at a time.
    using Handler = std::function<FakeReply(const FakeRequest&)>;

    explicit FakeServer(Handler handler);
    FakeServer(const FakeServer&) = delete;
    FakeServer& operator=(const FakeServer&) = delete;
    /// Ends all connections.
    ~FakeServer();

    std::uint16_t port() const { return port_; }
    std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
    std::string url() const { return "http://" + host(); }
    /// All requests so far.
    std::vector<FakeRequest> requests() const;
    std::size_t connections() const;
    /// Replies whose bytes have all been sent.
    std::size_t answers() const { return answers_; }

  private:
    void accept_connections();
    void serve(int socket, std::size_t number);
    bool answer(int socket, const FakeReply& reply);

    const Handler handler_;
    Fd listener_;
    std::uint16_t port_ = 0;
    std::atomic<bool> stopping_ = false;
    std::atomic<std::size_t> answers_ = 0;

    mutable std::mutex mutex_;  // guards what follows, and calls of handler_
    std::vector<FakeRequest> requests_;
    std::vector<Fd> sockets_;
    std::list<std::thread> threads_;
    std::thread acceptor_;
};

}  // namespace lazybuild::test
