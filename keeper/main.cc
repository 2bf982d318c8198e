// SPDX-License-Identifier: Apache-2.0
// lazy-keeper: holds lazy-snapshotter's FUSE connection while that is being restarted. Exit codes:
// 0 done, 1 it failed, 2 the command line was wrong.
#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "base/log.h"
#include "base/notify.h"
#include "keeper/server.h"

namespace lazybuild::keeper {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr const char* kDefaultSocket = "/run/lazy-snapshotter/keeper.sock";

int failed(const Error& error) {
    fmt::print(stderr, "lazy-keeper: {}\n", error.message);
    return kFailed;
}

Fd stop_signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    return Fd{::signalfd(-1, &signals, SFD_CLOEXEC)};
}

int keep(const std::string& path) {
    const Fd stop = stop_signals();
    if (!stop) {
        return failed(errno_error("signalfd"));
    }
    auto server = Server::listen(path);
    if (!server) {
        return failed(server.error());
    }
    log::info("ready to keep", {{"socket", path}});
    if (auto notified = notify_service_manager("READY=1"); !notified) {
        log::warning("the service manager was not told", {{"reason", notified.error().message}});
    }
    const Result<void> ended = (*server)->run(stop.get());
    return ended ? 0 : failed(ended.error());
}

}  // namespace

int main_in_namespace(int argc, char** argv) {
    std::string path = kDefaultSocket;
    CLI::App app{
        "Keeps lazy-snapshotter's FUSE connection, so that containers wait instead of failing\n"
        "while it is restarted."};
    app.name("lazy-keeper");
    app.option_defaults()->always_capture_default(false);
    app.set_version_flag("--version", "lazy-keeper " LAZYBUILD_VERSION);
    app.add_option("--socket", path,
                   fmt::format("where lazy-snapshotter finds it [{}]", kDefaultSocket))
        ->type_name("PATH");
    app.footer("Exit codes: 0 done, 1 it failed, 2 the command line was wrong.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& done) {  // --help, --version
        return app.exit(done);
    } catch (const CLI::ParseError& error) {
        fmt::print(stderr, "lazy-keeper: {}\nSee lazy-keeper --help.\n", error.what());
        return kUsage;
    }
    return keep(path);
}

}  // namespace lazybuild::keeper

int main(int argc, char** argv) {
    return lazybuild::keeper::main_in_namespace(argc, argv);
}
