// SPDX-License-Identifier: Apache-2.0
#include "builder/image/session.h"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "base/assert.h"

namespace lazybuild::image {
namespace {

constexpr std::size_t kDefaultJobsMax = 16;
/// Beside the jobs, for DNS, file reads and whatever is short.
constexpr std::size_t kServiceThreads = 4;

std::size_t default_jobs() {
    return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 2, kDefaultJobsMax);
}

std::string default_temporary_directory() {
    const char* const directory = std::getenv("TMPDIR");
    return directory != nullptr && *directory != '\0' ? directory : "/var/tmp";
}

}  // namespace

Result<registry::ClientOptions> client_options(const RegistryFlags& flags) {
    registry::ClientOptions options;
    options.plain_http = flags.plain_http;
    options.tls_verify = flags.tls_verify;
    options.auth_file = flags.auth_file;
    options.certificate_directory = flags.certificate_directory;
    if (!flags.credentials.empty()) {
        const std::size_t colon = flags.credentials.find(':');
        if (colon == std::string::npos || colon == 0) {
            return fail(invalid("--creds: not USER:PASSWORD"));
        }
        options.credential = registry::Credential{.user_name = flags.credentials.substr(0, colon),
                                                  .password = flags.credentials.substr(colon + 1),
                                                  .identity_token = {}};
    }
    return options;
}

Session::Session(Console& console, std::size_t jobs, std::unique_ptr<io::Reactor> reactor,
                 registry::ClientOptions options)
    : console_(console),
      jobs_(jobs),
      temporary_directory_(default_temporary_directory()),
      reactor_(std::move(reactor)),
      pool_(static_cast<unsigned>(jobs_ + kServiceThreads)),
      registry_options_(std::move(options)),
      client_(std::make_unique<registry::Client>(*reactor_, pool_, registry_options_)) {}

registry::Client& Session::add_client(registry::ClientOptions options) {
    auto client = std::make_shared<registry::Client>(*reactor_, pool_, std::move(options));
    keep(client);
    return *client;
}

Result<std::unique_ptr<Session>> Session::open(const RegistryFlags& flags, Console& console,
                                               std::size_t jobs) {
    ASSERT(jobs <= kJobsMax);
    jobs = jobs == 0 ? default_jobs() : jobs;
    TRY(registry::ClientOptions options, client_options(flags));
    // A copy within one registry holds two connections; fewer than this, and copies that hold one
    // each could wait for each other's second.
    options.connections_per_host = 2 * jobs + kServiceThreads;
    TRY(auto reactor, io::Reactor::create());
    std::unique_ptr<Session> session{
        new Session(console, jobs, std::move(reactor), std::move(options))};
    console.on_interrupt([&self = *session] { self.give_up(); });
    return session;
}

void Session::give_up() {
    if (reactor_->on_thread()) {
        interrupt_.cancel();
    } else {
        reactor_->post([this] { interrupt_.cancel(); });
    }
}

Result<void> Session::check_interrupt() const {
    if (interrupt_.cancelled()) {
        return fail(Error{.code = std::errc::operation_canceled, .message = "interrupted"});
    }
    return {};
}

void Session::keep(std::shared_ptr<void> value) {
    const std::lock_guard lock(kept_mutex_);
    kept_.push_back(std::move(value));
}

Session::~Session() {
    console_.on_interrupt({});
    // Here, while what the tasks use is still there. A reactor that never ran has none, and one
    // that another thread ran has been ended by it.
    if (reactor_->on_thread()) {
        reactor_->stop();
        reactor_->run();
    }
}

}  // namespace lazybuild::image
