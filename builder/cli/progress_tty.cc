// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/progress_tty.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <thread>
#include <utility>

#include "base/fd.h"
#include "builder/cli/progress_plain.h"
#include "builder/cli/terminal_text.h"

namespace lazybuild::cli {
namespace {

using std::chrono_literals::operator""ms;

constexpr auto kRedrawEvery = 100ms;
/// Of one task's output.
constexpr std::size_t kLinesShownMax = 6;
constexpr std::size_t kColumnsMin = 20;

constexpr std::string_view kBlue = "\x1b[34m";
constexpr std::string_view kRed = "\x1b[31m";
constexpr std::string_view kYellow = "\x1b[33m";
constexpr std::string_view kPlain = "\x1b[0m";
constexpr std::string_view kEraseBelow = "\x1b[J";

solve::Time now() {
    return std::chrono::system_clock::now();
}

class TtyDisplay final : public Display {
  public:
    explicit TtyDisplay(TerminalOptions options) : options_(std::move(options)), began_(now()) {
        if (options_.redraw) {
            thread_ = std::jthread([this](const std::stop_token& stop) { redraw_until(stop); });
        }
    }
    ~TtyDisplay() override { TtyDisplay::finish(); }
    TtyDisplay(const TtyDisplay&) = delete;
    TtyDisplay& operator=(const TtyDisplay&) = delete;

    void began(const TaskRecord& task) override;
    void line(const TaskRecord& task, std::string_view text) override;
    void advanced(const TaskRecord& task) override;
    void ended(const TaskRecord& task) override;
    void warned(std::string_view message) override;
    void clipped(const TaskRecord& /*task*/) override {}
    void finish() override;

  private:
    struct Live {
        std::string text;
        solve::Time began;
        std::deque<std::string> lines;
        std::string fetching;
    };

    void redraw_until(const std::stop_token& stop);
    void draw(bool last);
    std::string row(std::string_view left, std::string_view right, std::string_view color,
                    std::size_t columns) const;
    std::vector<std::string> live_rows(const TerminalSize& size) const;

    const TerminalOptions options_;
    const solve::Time began_;
    std::mutex mutex_;  // guards what follows
    std::condition_variable_any changed_;
    std::map<solve::TaskId, Live> live_;
    std::vector<std::pair<std::string, std::string>> done_;  ///< rows to come, their colors
    std::vector<std::string> done_times_;
    std::size_t begun_count_ = 0, done_count_ = 0, cached_count_ = 0;
    std::size_t rows_drawn_ = 0;
    bool finished_ = false;
    std::jthread thread_;
};

void TtyDisplay::began(const TaskRecord& task) {
    const std::lock_guard lock(mutex_);
    ++begun_count_;
    live_[task.id] = {.text = printable(task.text), .began = task.began};
}

void TtyDisplay::line(const TaskRecord& task, std::string_view text) {
    const std::lock_guard lock(mutex_);
    std::deque<std::string>& lines = live_[task.id].lines;
    if (lines.size() == kLinesShownMax) {
        lines.pop_front();
    }
    lines.push_back(printable(text));
}

void TtyDisplay::advanced(const TaskRecord& task) {
    const std::lock_guard lock(mutex_);
    live_[task.id].fetching = printable(advance_text(task));
}

void TtyDisplay::ended(const TaskRecord& task) {
    const std::lock_guard lock(mutex_);
    live_.erase(task.id);
    ++done_count_;
    std::string_view mark;
    std::string_view color = kBlue;
    switch (task.outcome) {
        case solve::Outcome::cached:
            mark = "CACHED ";
            ++cached_count_;
            break;
        case solve::Outcome::cancelled:
            mark = "CANCELED ";
            color = kYellow;
            break;
        case solve::Outcome::failed:
            mark = "ERROR ";
            color = kRed;
            break;
        case solve::Outcome::done: break;
    }
    done_.emplace_back(fmt::format(" => {}{}", mark, printable(task.text)), color);
    done_times_.push_back(seconds_of(task, *task.ended));
}

void TtyDisplay::warned(std::string_view message) {
    const std::lock_guard lock(mutex_);
    done_.emplace_back("WARNING: " + printable(message), kYellow);
    done_times_.emplace_back();
}

void TtyDisplay::finish() {
    if (thread_.joinable()) {
        thread_.request_stop();
        thread_.join();
    }
    const std::lock_guard lock(mutex_);
    if (!std::exchange(finished_, true)) {
        draw(true);
    }
}

void TtyDisplay::redraw_until(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
        draw(false);
        changed_.wait_for(lock, stop, kRedrawEvery, [] { return false; });
    }
}

std::string TtyDisplay::row(std::string_view left, std::string_view right, std::string_view color,
                            std::size_t columns) const {
    const std::size_t room = columns - std::min(columns, right.size() + 1);
    std::string text = cut_to(left, room);
    text.append(columns - std::min(columns, columns_of(text) + right.size()), ' ');
    text += right;
    return options_.color ? fmt::format("{}{}{}\r\n", color, text, kPlain) : text + "\r\n";
}

// The rows below: as many as the terminal has, the last tasks first of all.
std::vector<std::string> TtyDisplay::live_rows(const TerminalSize& size) const {
    std::vector<std::string> rows;
    const std::size_t room = std::max<std::size_t>(size.rows, 4) - 2;
    const std::size_t lines_each =
        live_.empty()
            ? 0
            : std::min(kLinesShownMax, (room - std::min(room, 2 * live_.size())) / live_.size());
    for (auto task = live_.rbegin(); task != live_.rend(); ++task) {
        const Live& live = task->second;
        std::vector<std::string> part;
        const double seconds = std::chrono::duration<double>(now() - live.began).count();
        part.push_back(row(" => " + live.text, fmt::format("{:.1f}s", seconds), "", size.columns));
        const std::size_t skip = live.lines.size() - std::min(lines_each, live.lines.size());
        for (std::size_t i = skip; i < live.lines.size(); ++i) {
            part.push_back(row(" => => " + live.lines[i], "", "", size.columns));
        }
        if (!live.fetching.empty()) {
            part.push_back(row(" => => " + live.fetching, "", "", size.columns));
        }
        if (rows.size() + part.size() > room) {
            break;
        }
        rows.insert(rows.begin(), part.begin(), part.end());
    }
    return rows;
}

void TtyDisplay::draw(bool last) {
    TerminalSize size = options_.size();
    // One column less: what fills the last one wraps on some terminals.
    size.columns = std::max(size.columns, kColumnsMin) - 1;
    std::string text;
    if (rows_drawn_ != 0) {
        text += fmt::format("\r\x1b[{}A", rows_drawn_);
    }
    text += kEraseBelow;
    for (std::size_t i = 0; i < done_.size(); ++i) {
        text += row(done_[i].first, done_times_[i], done_[i].second, size.columns);
    }
    done_.clear();
    done_times_.clear();
    const double seconds = std::chrono::duration<double>(now() - began_).count();
    std::string head =
        fmt::format("[+] Building {:.1f}s ({}/{}", seconds, done_count_, begun_count_);
    head += cached_count_ == 0 ? ")" : fmt::format(", {} cached)", cached_count_);
    if (last && live_.empty()) {
        head += " FINISHED";
    }
    std::vector<std::string> rows = live_rows(size);
    rows.insert(rows.begin(), row(head, "", "", size.columns));
    for (const std::string& one : rows) {
        text += one;
    }
    rows_drawn_ = last ? 0 : rows.size();
    options_.write(text);
}

}  // namespace

std::unique_ptr<Display> tty_display(TerminalOptions options) {
    return std::make_unique<TtyDisplay>(std::move(options));
}

std::unique_ptr<Display> stderr_display() {
    const char* const no_color = std::getenv("NO_COLOR");
    return tty_display({
        .write =
            [](std::string_view text) {
                // Nobody can be told that stderr does not take messages.
                [[maybe_unused]] const auto written = write_all(STDERR_FILENO, as_bytes(text));
            },
        .size =
            [] {
                winsize size{};
                if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
                    return TerminalSize{};
                }
                return TerminalSize{.rows = size.ws_row, .columns = size.ws_col};
            },
        .color = no_color == nullptr || *no_color == '\0',
    });
}

}  // namespace lazybuild::cli
