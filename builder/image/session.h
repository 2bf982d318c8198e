// SPDX-License-Identifier: Apache-2.0
// What one run of a command works with: a reactor, threads for what blocks or computes, a registry
// client made from the command line, and a directory for temporary files.
//
// Threads: made, used and destroyed on one thread, which runs the reactor while a command waits.
// A command that is written with blocking functions is run by run_blocking(); from its threads,
// wait_for() reaches the reactor.
#pragma once

#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/result.h"
#include "builder/image/console.h"
#include "snapshotter/io/pool.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/registry/client.h"

namespace lazybuild::image {

/// The options that every command which talks to registries has.
struct RegistryFlags {
    bool plain_http = false;
    bool tls_verify = true;
    std::string auth_file;
    std::string credentials;  ///< USER:PASSWORD
    std::string certificate_directory;
};

/// Errors: invalid_argument for credentials without a ':'.
Result<registry::ClientOptions> client_options(const RegistryFlags& flags);

/// Of --jobs.
inline constexpr std::size_t kJobsMax = 64;

class Session {
  public:
    /// Errors: as client_options; those of io::Reactor::create.
    /// `jobs`: 1 to kJobsMax, or 0 for as many as there are processors.
    static Result<std::unique_ptr<Session>> open(const RegistryFlags& flags, Console& console,
                                                 std::size_t jobs = 0);
    /// Ends the tasks that are left, then lets go of what keep() was given.
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    Console& console() { return console_; }
    io::Reactor& reactor() { return *reactor_; }
    io::Pool& pool() { return pool_; }
    registry::Client& client() { return *client_; }
    /// What client() was told.
    const registry::ClientOptions& registry_options() const { return registry_options_; }
    /// Another client, which lives until no task runs any more. Threads: any.
    registry::Client& add_client(registry::ClientOptions options);

    /// How many layers are worked on at once, and how many threads compute.
    std::size_t jobs() const { return jobs_; }
    /// For large temporary files: $TMPDIR, else /var/tmp.
    const std::string& temporary_directory() const { return temporary_directory_; }

    /// Ends with operation_canceled when the user interrupts. No deadline: the client gives up on
    /// a peer that is silent, and work that goes on may take as long as it takes.
    io::Wait wait() const { return io::Wait{.cancel = interrupt_.token()}; }

    /// operation_canceled once the user has interrupted: asked before what others can see is done.
    Result<void> check_interrupt() const;
    /// Ends what waits, because the command has failed and its result is decided. Threads: any.
    void give_up();

    template <class T>
    T run(io::Task<T> task) {
        return reactor_->block_on(std::move(task));
    }

    /// Runs `function`, which may block, on a thread of its own, and the reactor on this one until
    /// it has returned.
    template <class Function>
    std::invoke_result_t<Function&> run_blocking(Function function) {
        io::Pool thread{1};
        return run(io::run_on(thread, *reactor_, std::move(function)));
    }

    /// Runs `task` on the reactor and blocks the calling thread until it has ended; the task's own
    /// waits end it early. Threads: any but the reactor's, while that one is in run() or
    /// run_blocking().
    template <class T>
    T wait_for(io::Task<T> task) {
        ASSERT(!reactor_->on_thread());
        std::promise<T> promise;
        std::future<T> value = promise.get_future();
        reactor_->spawn(keep_promise(std::move(task), std::move(promise)));
        return value.get();
    }

    /// Lives until no task runs any more: for what tasks that nobody waits for refer to.
    /// Threads: any.
    void keep(std::shared_ptr<void> value);

  private:
    /// The promise is the task's own: the waiting thread may be gone before set_value() returns.
    template <class T>
    static io::Task<void> keep_promise(io::Task<T> task, std::promise<T> promise) {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(task);
            promise.set_value();
        } else {
            T value = co_await std::move(task);
            promise.set_value(std::move(value));
        }
    }

    Session(Console& console, std::size_t jobs, std::unique_ptr<io::Reactor> reactor,
            registry::ClientOptions options);

    Console& console_;
    std::size_t jobs_;
    std::string temporary_directory_;
    io::CancelSource interrupt_;
    std::unique_ptr<io::Reactor> reactor_;
    io::Pool pool_;
    const registry::ClientOptions registry_options_;
    std::unique_ptr<registry::Client> client_;
    std::mutex kept_mutex_;  // guards kept_
    std::vector<std::shared_ptr<void>> kept_;
};

}  // namespace lazybuild::image
