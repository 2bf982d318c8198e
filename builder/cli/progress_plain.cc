// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/progress_plain.h"

#include <fmt/format.h>

#include <array>
#include <map>

#include "builder/cli/terminal_text.h"

namespace lazybuild::cli {
namespace {

using std::chrono_literals::operator""s;
using Seconds = std::chrono::duration<double>;

/// How often what is being fetched is said again.
constexpr auto kAdvanceEvery = 5s;

class PlainDisplay final : public Display {
  public:
    PlainDisplay(image::Console& console, bool terminal) : console_(console), terminal_(terminal) {}

    void began(const TaskRecord& task) override {
        console_.note(fmt::format("#{} {}", task.id, task.text));
        last_ = task.id;
    }

    void line(const TaskRecord& task, std::string_view text) override {
        turn_to(task);
        const double seconds = Seconds(std::chrono::system_clock::now() - task.began).count();
        console_.note(fmt::format("#{} {:.3f} {}", task.id, seconds,
                                  terminal_ ? printable(text) : std::string(text)));
    }

    void advanced(const TaskRecord& task) override {
        const solve::Time now = std::chrono::system_clock::now();
        const bool done = task.advance_total != 0 && task.advanced == task.advance_total;
        solve::Time& said = said_[task.id];
        if (!done && now - said < kAdvanceEvery) {
            return;
        }
        said = now;
        turn_to(task);
        console_.note(fmt::format("#{} {}", task.id, advance_text(task)));
    }

    void ended(const TaskRecord& task) override {
        turn_to(task);
        // What has reached its end has been said.
        const bool said = task.advanced == task.advance_total;
        if (task.outcome == solve::Outcome::done && !said && task.advanced != 0) {
            console_.note(
                fmt::format("#{} {} {}", task.id, task.advancing, size_text(task.advanced)));
        }
        console_.note(fmt::format("#{} {}\n", task.id, verdict(task)));
        said_.erase(task.id);
        last_ = 0;
    }

    void warned(std::string_view message) override {
        console_.note(fmt::format("WARNING: {}", message));
    }
    void clipped(const TaskRecord& task) override {
        console_.note(
            fmt::format("#{} [output clipped after {}]", task.id, size_text(kTaskOutputBytesMax)));
    }
    void finish() override {}

  private:
    static std::string verdict(const TaskRecord& task) {
        switch (task.outcome) {
            case solve::Outcome::cached: return "CACHED";
            case solve::Outcome::cancelled: return "CANCELED";
            case solve::Outcome::failed: return "ERROR: " + task.error;
            case solve::Outcome::done: break;
        }
        return "DONE " + seconds_of(task, *task.ended);
    }

    // Whose lines these are is said again when another task has spoken in between.
    void turn_to(const TaskRecord& task) {
        if (last_ != task.id && last_ != 0) {
            console_.note(fmt::format("\n#{} {}", task.id, task.text));
        }
        last_ = task.id;
    }

    image::Console& console_;
    const bool terminal_;
    solve::TaskId last_ = 0;  ///< who has spoken last and goes on
    std::map<solve::TaskId, solve::Time> said_;
};

class QuietDisplay final : public Display {
  public:
    explicit QuietDisplay(image::Console& console) : console_(console) {}
    void began(const TaskRecord& /*task*/) override {}
    void line(const TaskRecord& /*task*/, std::string_view /*text*/) override {}
    void advanced(const TaskRecord& /*task*/) override {}
    void ended(const TaskRecord& /*task*/) override {}
    void warned(std::string_view message) override {
        console_.note(fmt::format("WARNING: {}", message));
    }
    void clipped(const TaskRecord& /*task*/) override {}
    void finish() override {}

  private:
    image::Console& console_;
};

}  // namespace

std::unique_ptr<Display> plain_display(image::Console& console, bool terminal) {
    return std::make_unique<PlainDisplay>(console, terminal);
}

std::unique_ptr<Display> quiet_display(image::Console& console) {
    return std::make_unique<QuietDisplay>(console);
}

std::string seconds_of(const TaskRecord& task, solve::Time moment) {
    return fmt::format("{:.1f}s", Seconds(moment - task.began).count());
}

std::string advance_text(const TaskRecord& task) {
    if (task.advance_total <= 1 && task.advanced <= 1) {  // a thing that is done or not
        return task.advancing + (task.advanced == 1 ? " done" : "");
    }
    const std::string current = fmt::format("{} {}", task.advancing, size_text(task.advanced));
    return task.advance_total == 0 ? current
                                   : fmt::format("{} / {}", current, size_text(task.advance_total));
}

std::string size_text(std::uint64_t size_bytes) {
    constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB"};
    double value = static_cast<double>(size_bytes);
    std::size_t unit = 0;
    while (value >= 1000 && unit + 1 < kUnits.size()) {
        value /= 1000;
        ++unit;
    }
    return unit == 0 ? fmt::format("{}B", size_bytes)
                     : fmt::format("{:.2f}{}", value, kUnits[unit]);
}

}  // namespace lazybuild::cli
