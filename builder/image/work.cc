// SPDX-License-Identifier: Apache-2.0
#include "builder/image/work.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "snapshotter/io/semaphore.h"
#include "snapshotter/io/when_all.h"

namespace lazybuild::image {
namespace {

io::Task<Result<void>> run_one(Session& session, io::Semaphore& permits,
                               io::Task<Result<void>> task) {
    const io::Permit permit = co_await io::or_return(co_await permits.acquire(session.wait()));
    const Result<void> result = co_await std::move(task);
    if (!result) {
        session.give_up();
    }
    co_return result;
}

}  // namespace

io::Task<Result<void>> run_all(Session& session, std::vector<io::Task<Result<void>>> tasks) {
    io::Semaphore permits(session.reactor(), session.jobs());
    std::vector<io::Task<Result<void>>> bounded;
    bounded.reserve(tasks.size());
    for (io::Task<Result<void>>& task : tasks) {
        bounded.push_back(run_one(session, permits, std::move(task)));
    }
    const std::vector<Result<void>> results =
        co_await io::when_all(session.reactor(), std::move(bounded));
    // What was cancelled was so because something else failed first.
    Result<void> outcome;
    for (const Result<void>& result : results) {
        const bool tells_more =
            !result && (outcome || outcome.error().code == std::errc::operation_canceled);
        if (tells_more) {
            outcome = result;
        }
    }
    co_return outcome;
}

std::string size_text(std::uint64_t size_bytes) {
    constexpr std::array<const char*, 5> kUnits = {"kB", "MB", "GB", "TB", "PB"};
    constexpr double kStep = 1000;
    if (size_bytes < 1000) {
        return fmt::format("{} B", size_bytes);
    }
    double size = static_cast<double>(size_bytes) / kStep;
    std::size_t unit = 0;
    while (size >= kStep && unit + 1 < kUnits.size()) {
        size /= kStep;
        ++unit;
    }
    return fmt::format("{:.1f} {}", size, kUnits[unit]);
}

std::string printable(std::string_view text) {
    std::string safe;
    for (const char letter : text) {
        const auto byte = static_cast<unsigned char>(letter);
        if (byte < ' ' || byte == 0x7f) {
            safe += fmt::format("\\x{:02x}", byte);
        } else {
            safe += letter;
        }
    }
    return safe;
}

std::string short_digest(const codec::Digest& digest) {
    constexpr std::size_t kHexDigits = 12;
    return "sha256:" + digest.hex().substr(0, kHexDigits);
}

}  // namespace lazybuild::image
