// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/process_console.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <utility>

#include "base/fd.h"

namespace lazybuild::cli {
namespace {

constexpr int kKilledBySignal = 128;

sigset_t stop_signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGINT);
    ::sigaddset(&signals, SIGTERM);
    return signals;
}

// What the user can do about a failure; "" when its message says all there is.
std::string_view advice_for(std::errc code) {
    switch (code) {
        case std::errc::permission_denied:
            return "credentials are taken from --creds, --authfile or docker's config.json "
                   "(docker login)";
        case std::errc::connection_refused:
        case std::errc::host_unreachable:
        case std::errc::network_unreachable:
            return "is the registry's address right, and does it run?";
        case std::errc::no_space_on_device: return "temporary files go to $TMPDIR, else /var/tmp";
        default: return "";
    }
}

// The first line says what happened; what an Error has besides stands indented under it.
void print(image::Console& console, std::string_view command, std::string_view message) {
    std::size_t end = message.find('\n');
    console.note(fmt::format("lazybuild {}: {}", command, message.substr(0, end)));
    while (end != std::string_view::npos) {
        message.remove_prefix(end + 1);
        end = message.find('\n');
        console.note(fmt::format("  {}", message.substr(0, end)));
    }
}

}  // namespace

ExitCode report_failure(image::Console& console, std::string_view command, const Error& error) {
    if (error.code == std::errc::operation_canceled) {
        print(console, command, "interrupted");
        return ExitCode::failed;
    }
    print(console, command, error.message);
    if (const std::string_view advice = advice_for(error.code); !advice.empty()) {
        console.note(fmt::format("  {}", advice));
    }
    return ExitCode::failed;
}

ExitCode report_usage(image::Console& console, std::string_view command, const Error& error) {
    print(console, command, error.message);
    console.note(fmt::format("  lazybuild {} --help says how it is written", command));
    return ExitCode::usage;
}

ProcessConsole::ProcessConsole() {
    const sigset_t signals = stop_signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);  // a reader of ours that has gone is a write error
    signals_ = std::thread([this] { wait_for_signals(); });
}

ProcessConsole::~ProcessConsole() {
    {
        const std::lock_guard lock(mutex_);
        closing_ = true;
    }
    ::pthread_kill(signals_.native_handle(), SIGTERM);
    signals_.join();
}

void ProcessConsole::wait_for_signals() {
    const sigset_t signals = stop_signals();
    while (true) {
        int number = 0;
        if (::sigwait(&signals, &number) != 0) {
            continue;
        }
        const std::lock_guard lock(mutex_);
        if (closing_) {
            return;
        }
        if (std::exchange(interrupted_, true) || !stop_) {
            ::_exit(kKilledBySignal + number);
        }
        stop_();
    }
}

void ProcessConsole::out(std::string_view text) {
    if (!write_all(STDOUT_FILENO, as_bytes(text))) {
        output_complete_ = false;
    }
}

void ProcessConsole::note(std::string_view line) {
    // Nobody can be told that stderr does not take messages.
    [[maybe_unused]] const auto written =
        write_all(STDERR_FILENO, as_bytes(fmt::format("{}\n", line)));
}

void ProcessConsole::on_interrupt(std::function<void()> stop) {
    const std::lock_guard lock(mutex_);
    stop_ = std::move(stop);
    if (interrupted_ && stop_) {
        stop_();
    }
}

}  // namespace lazybuild::cli
