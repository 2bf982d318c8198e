// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/agent_proxy.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <list>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/unix_socket.h"

namespace lazybuild::exec {
namespace {

constexpr std::size_t kConnectionsMax = 32;  // more wait in the listener's queue
constexpr std::size_t kBufferBytes = 16 << 10;

/// Bytes on their way from one end to the other. They wait here until the other takes them.
struct Direction {
    std::array<char, kBufferBytes> buffer{};
    std::size_t begin = 0, end = 0;
    bool finished = false;  ///< there will be no more

    bool wants_input() const { return begin == end && !finished; }

    /// False when the connection is to be given up.
    bool receive(int from) {
        const ssize_t bytes = ::recv(from, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (bytes < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        begin = 0;
        end = static_cast<std::size_t>(bytes);
        finished = bytes == 0;
        return true;
    }
    bool send(int to) {
        const ssize_t bytes =
            ::send(to, buffer.data() + begin, end - begin, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (bytes < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        begin += static_cast<std::size_t>(bytes);
        return true;
    }
};

struct Connection {
    std::array<Fd, 2> ends;               ///< the step's, the agent's
    std::array<Direction, 2> directions;  ///< from ends[i] to the other one

    short events(std::size_t end) const {
        const Direction& in = directions[end];
        const Direction& out = directions[1 - end];
        return static_cast<short>((in.wants_input() ? POLLIN : 0) |
                                  (out.begin < out.end ? POLLOUT : 0));
    }
    bool serve(std::size_t end, short events) {
        if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) {
            const bool reads = directions[end].wants_input();
            if (reads ? !directions[end].receive(ends[end].get()) : (events & POLLIN) == 0) {
                return false;  // it failed, or hung up before it was listened to
            }
        }
        Direction& out = directions[1 - end];
        if ((events & POLLOUT) != 0 && !out.send(ends[end].get())) {
            return false;
        }
        // An agent's client that has hung up wants no answer: no half-closed connections.
        return !directions[end].finished;
    }
};

Result<Fd> connect_to(const std::string& path) {
    TRY(const sockaddr_un address, unix_socket_address(path));
    Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!fd ||
        ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return fail(errno_error("SSH agent " + path));
    }
    return fd;
}

/// `socket` may be longer than an address can say, so it is made through its directory.
Result<Fd> listen_at(const AgentProxy::Options& options) {
    const std::size_t slash = options.socket.rfind('/');
    const Fd directory{
        ::open(options.socket.substr(0, slash).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    const std::string name = options.socket.substr(slash + 1);
    TRY(const sockaddr_un address,
        unix_socket_address("/proc/self/fd/" + std::to_string(directory.get()) + "/" + name));
    Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(fd.get(), static_cast<int>(kConnectionsMax)) != 0 ||
        ::fchownat(directory.get(), name.c_str(), options.uid, options.gid, 0) != 0 ||
        ::fchmodat(directory.get(), name.c_str(), options.mode & 07777, 0) != 0) {
        return fail(errno_error("make an SSH agent's socket"));
    }
    return fd;
}

class RunningProxy final : public AgentProxy {
  public:
    RunningProxy(Fd listener, Fd stop, std::string agent)
        : listener_(std::move(listener)), stop_(std::move(stop)), agent_(std::move(agent)) {
        thread_ = std::jthread{[this] { run(); }};
    }
    RunningProxy(const RunningProxy&) = delete;
    RunningProxy& operator=(const RunningProxy&) = delete;
    ~RunningProxy() override {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
        thread_.join();
    }

  private:
    void run() {
        for (;;) {
            std::vector<pollfd> polled = {{stop_.get(), POLLIN, 0}};
            const bool room = connections_.size() < kConnectionsMax;
            polled.push_back({room ? listener_.get() : -1, POLLIN, 0});
            for (const Connection& connection : connections_) {
                for (std::size_t end = 0; end < 2; ++end) {
                    polled.push_back({connection.ends[end].get(), connection.events(end), 0});
                }
            }
            if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) {
                return;
            }
            if (polled[0].revents != 0) {
                return;
            }
            auto at = polled.begin() + 2;
            std::erase_if(connections_, [&at](Connection& connection) {
                const short first = (at++)->revents;
                const short second = (at++)->revents;
                return !connection.serve(0, first) || !connection.serve(1, second);
            });
            if (polled[1].revents != 0) {
                accept_one();
            }
        }
    }

    void accept_one() {
        Fd client{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
        if (!client) {
            return;
        }
        if (auto agent = connect_to(agent_)) {  // else the step sees its connection end
            Connection& added = connections_.emplace_back();
            added.ends = {std::move(client), *std::move(agent)};
        }
    }

    Fd listener_, stop_;
    std::string agent_;
    std::list<Connection> connections_;
    std::jthread thread_;
};

}  // namespace

Result<std::unique_ptr<AgentProxy>> AgentProxy::start(const Options& options) {
    TRY(const Fd tried, connect_to(options.agent));  // better now than in the step
    TRY(Fd listener, listen_at(options));
    Fd stop{::eventfd(0, EFD_CLOEXEC)};
    if (!stop) {
        return fail(errno_error("eventfd"));
    }
    return std::make_unique<RunningProxy>(std::move(listener), std::move(stop), options.agent);
}

}  // namespace lazybuild::exec
