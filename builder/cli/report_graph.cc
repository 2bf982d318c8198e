// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/report_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "builder/cli/terminal_text.h"

namespace lazybuild::cli {
namespace {

constexpr std::size_t kBoxWidth = 200, kBoxHeight = 40, kGapX = 40, kGapY = 14, kLaneHead = 22;
constexpr std::size_t kBoxColumns = 30;
constexpr std::size_t kBarHeight = 20, kChartWidth = 720, kLabelWidth = 360, kLabelColumns = 52;
/// Tasks shorter than this part of the build are no bar of their own.
constexpr double kBarPartMin = 0.001;
constexpr std::size_t kTasksShownMax = 500;

struct Box {
    const TaskRecord* task = nullptr;
    std::size_t column = 0, lane = 0, row = 0;
    std::size_t x = 0, y = 0;
};

struct Lane {
    std::string name;
    std::map<std::size_t, std::size_t> rows;  ///< by column: boxes there
    std::size_t rows_max = 0;
    std::size_t y = 0;
};

class Graph {
  public:
    explicit Graph(const ReportInput& input) {
        for (const TaskRecord& task : input.tasks) {
            if (task.report && boxes_.size() < kTasksShownMax) {
                add(task);
            }
        }
        place();
    }

    std::string svg() const;

  private:
    void add(const TaskRecord& task);
    void place();

    std::map<solve::TaskId, Box> boxes_;
    std::vector<Lane> lanes_;
    std::size_t columns_ = 0;
};

// Inputs were begun before.
void Graph::add(const TaskRecord& task) {
    Box box{.task = &task};
    for (const solve::TaskId input : task.report->inputs) {
        if (const auto found = boxes_.find(input); found != boxes_.end()) {
            box.column = std::max(box.column, found->second.column + 1);
        }
    }
    auto lane = std::ranges::find(lanes_, task.report->stage, &Lane::name);
    if (lane == lanes_.end()) {
        lane = lanes_.insert(lane, Lane{.name = task.report->stage});
    }
    box.lane = static_cast<std::size_t>(lane - lanes_.begin());
    box.row = lane->rows[box.column]++;
    lane->rows_max = std::max(lane->rows_max, lane->rows[box.column]);
    columns_ = std::max(columns_, box.column + 1);
    boxes_[task.id] = box;
}

void Graph::place() {
    std::size_t y = 0;
    for (Lane& lane : lanes_) {
        lane.y = y;
        y += kLaneHead + lane.rows_max * (kBoxHeight + kGapY) + kGapY;
    }
    for (auto& [id, box] : boxes_) {
        box.x = kGapX / 2 + box.column * (kBoxWidth + kGapX);
        box.y = lanes_[box.lane].y + kLaneHead + box.row * (kBoxHeight + kGapY);
    }
}

std::string Graph::svg() const {
    if (boxes_.empty()) {
        return "<p class=\"soft\">No step was reached.</p>";
    }
    const std::size_t width = columns_ * (kBoxWidth + kGapX);
    const Lane& last = lanes_.back();
    const std::size_t height = last.y + kLaneHead + last.rows_max * (kBoxHeight + kGapY) + kGapY;
    std::string svg = fmt::format(
        "<svg role=\"img\" aria-label=\"Steps and what they need\" width=\"{0}\" height=\"{1}\" "
        "viewBox=\"0 0 {0} {1}\">",
        width, height);
    for (const Lane& lane : lanes_) {
        svg += fmt::format(
            "<path class=\"lane\" d=\"M0 {0}H{1}\"/><text class=\"soft\" x=\"4\" "
            "y=\"{2}\">{3}</text>",
            lane.y, width, lane.y + 15, html_escape(lane.name));
    }
    for (const auto& [id, box] : boxes_) {
        for (const solve::TaskId input : box.task->report->inputs) {
            const auto from = boxes_.find(input);
            if (from == boxes_.end()) {
                continue;
            }
            const std::size_t x = from->second.x + kBoxWidth;
            const std::size_t y = from->second.y + kBoxHeight / 2;
            svg += fmt::format("<path class=\"edge\" d=\"M{} {}C{} {} {} {} {} {}\"/>", x, y,
                               x + kGapX / 2, y, box.x - kGapX / 2, box.y + kBoxHeight / 2, box.x,
                               box.y + kBoxHeight / 2);
        }
    }
    for (const auto& [id, box] : boxes_) {
        const std::string text = html_escape(box.task->text);
        svg += fmt::format(
            "<g><title>{}</title><rect class=\"box s-{}\" x=\"{}\" y=\"{}\" width=\"{}\" "
            "height=\"{}\" rx=\"6\"/><text x=\"{}\" y=\"{}\">{}</text></g>",
            text, outcome_class(box.task->outcome), box.x, box.y, kBoxWidth, kBoxHeight, box.x + 8,
            box.y + 24, html_escape(cut_to(printable(box.task->text), kBoxColumns)));
    }
    return svg + "</svg>";
}

double seconds_between(solve::Time from, solve::Time to) {
    return std::chrono::duration<double>(to - from).count();
}

}  // namespace

std::string_view outcome_class(solve::Outcome outcome) {
    switch (outcome) {
        case solve::Outcome::cached: return "cached";
        case solve::Outcome::failed: return "failed";
        case solve::Outcome::cancelled: return "cancelled";
        case solve::Outcome::done: break;
    }
    return "done";
}

std::string_view outcome_name(solve::Outcome outcome) {
    return outcome == solve::Outcome::done ? "ran" : outcome_class(outcome);
}

std::string stage_graph(const ReportInput& input) {
    return Graph(input).svg();
}

std::string timeline(const ReportInput& input) {
    const double whole = std::max(seconds_between(input.began, input.ended), 1e-6);
    std::vector<const TaskRecord*> shown;
    for (const TaskRecord& task : input.tasks) {
        const double seconds = seconds_between(task.began, task.ended.value_or(input.ended));
        if (seconds / whole >= kBarPartMin && shown.size() < kTasksShownMax) {
            shown.push_back(&task);
        }
    }
    const std::size_t height = (shown.size() + 1) * (kBarHeight + 4);
    std::string svg = fmt::format(
        "<svg role=\"img\" aria-label=\"When steps ran\" width=\"{0}\" height=\"{1}\" "
        "viewBox=\"0 0 {0} {1}\">",
        kLabelWidth + kChartWidth + 80, height);
    std::size_t y = 0;
    for (const TaskRecord* const task : shown) {
        const solve::Time ended = task->ended.value_or(input.ended);
        const double begin = seconds_between(input.began, task->began) / whole * kChartWidth;
        const double width = seconds_between(task->began, ended) / whole * kChartWidth;
        svg += fmt::format(
            "<g><title>{}</title><text x=\"4\" y=\"{}\">{}</text><rect class=\"f-{}\" x=\"{:.1f}\" "
            "y=\"{}\" width=\"{:.1f}\" height=\"{}\" rx=\"3\"/><text class=\"soft\" x=\"{:.1f}\" "
            "y=\"{}\">{:.2f} s</text></g>",
            html_escape(task->text), y + 15,
            html_escape(cut_to(printable(task->text), kLabelColumns)), outcome_class(task->outcome),
            kLabelWidth + begin, y + 2, std::max(width, 2.0), kBarHeight - 4,
            kLabelWidth + begin + std::max(width, 2.0) + 6, y + 15,
            seconds_between(task->began, ended));
        y += kBarHeight + 4;
    }
    svg += fmt::format("<text class=\"soft\" x=\"{}\" y=\"{}\">0 s … {:.2f} s</text></svg>",
                       kLabelWidth, y + 15, whole);
    return svg;
}

}  // namespace lazybuild::cli
