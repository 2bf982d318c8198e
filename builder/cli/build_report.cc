// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/build_report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "builder/cli/progress_plain.h"
#include "builder/cli/report_graph.h"
#include "builder/cli/terminal_text.h"

namespace lazybuild::cli {
namespace {

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{}</title><style>
:root{{--ink:#1c2733;--soft:#5c6b7a;--line:#d5dde5;--paper:#fff;--shade:#f4f7fa;
--ran:#2f6fde;--cached:#2e9e6b;--failed:#cf3a3a;--cancelled:#b08a2e}}
@media(prefers-color-scheme:dark){{:root{{--ink:#e4eaf0;--soft:#98a6b4;--line:#33404d;
--paper:#151b22;--shade:#1d252e;--ran:#6da1ff;--cached:#4cc38a;--failed:#ff7b7b;
--cancelled:#e0b450}}}}
body{{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
max-width:1200px;margin:0 auto;padding:2rem 1.25rem}}
h1{{font-size:1.4rem;margin:0 0 .25rem}}h2{{font-size:1.05rem;margin:2rem 0 .5rem}}
p{{margin:.25rem 0}}.soft{{color:var(--soft)}}code,pre{{font:13px/1.45 ui-monospace,monospace}}
.figures{{display:flex;flex-wrap:wrap;gap:.75rem;margin:1rem 0}}
.figures div{{background:var(--shade);border-radius:8px;padding:.6rem 1rem}}
.figures b{{display:block;font-size:1.25rem}}
.wide{{overflow-x:auto;border:1px solid var(--line);border-radius:8px;padding:.5rem}}
table{{border-collapse:collapse;width:100%}}th,td{{text-align:left;vertical-align:top;
padding:.4rem .6rem;border-bottom:1px solid var(--line)}}td code{{overflow-wrap:anywhere}}
td.number{{white-space:nowrap;text-align:right}}pre{{white-space:pre-wrap;overflow-wrap:anywhere;
background:var(--shade);border-radius:8px;padding:.75rem}}
.badge{{font-size:12px;border-radius:99px;padding:.05rem .6rem;color:var(--paper);
white-space:nowrap}}.done{{background:var(--ran)}}.cached{{background:var(--cached)}}
.failed{{background:var(--failed)}}.cancelled{{background:var(--cancelled)}}
svg text{{fill:var(--ink);font:12px system-ui,sans-serif}}svg .soft{{fill:var(--soft)}}
svg .box{{fill:var(--shade);stroke-width:2}}svg .edge{{fill:none;stroke:var(--soft);opacity:.6}}
svg .lane{{fill:none;stroke:var(--line)}}svg .s-done{{stroke:var(--ran)}}
svg .s-cached{{stroke:var(--cached)}}svg .s-failed{{stroke:var(--failed)}}
svg .s-cancelled{{stroke:var(--cancelled)}}svg .f-done{{fill:var(--ran)}}
svg .f-cached{{fill:var(--cached)}}svg .f-failed{{fill:var(--failed)}}
svg .f-cancelled{{fill:var(--cancelled)}}
</style></head><body>
)";

double seconds_between(solve::Time from, solve::Time to) {
    return std::chrono::duration<double>(to - from).count();
}

std::string moment(solve::Time time) {
    return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC",
                       fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

void add_figure(std::string& html, std::string_view value, std::string_view name) {
    html += fmt::format("<div><b>{}</b>{}</div>", html_escape(value), name);
}

void add_summary(std::string& html, const ReportInput& input) {
    std::size_t ran = 0;
    std::size_t cached = 0;
    std::uint64_t fetched_bytes = 0;
    for (const TaskRecord& task : input.tasks) {
        if (!task.report) {
            continue;
        }
        ++(task.outcome == solve::Outcome::cached ? cached : ran);
        fetched_bytes += task.report->fetched_bytes;
    }
    html += fmt::format("<h1>{}</h1><p class=\"soft\">{} on {}</p>", html_escape(input.title),
                        input.error.empty() ? "Built" : "Failed", moment(input.began));
    html += "<div class=\"figures\">";
    add_figure(html, fmt::format("{:.1f} s", seconds_between(input.began, input.ended)), "in all");
    add_figure(html, std::to_string(ran), "steps ran");
    add_figure(html, std::to_string(cached), "steps cached");
    add_figure(html, size_text(fetched_bytes), "fetched lazily by steps");
    html += "</div>";
    for (const std::string& result : input.results) {
        html += fmt::format("<p><code>{}</code></p>", html_escape(result));
    }
    if (!input.error.empty()) {
        html += fmt::format("<pre>{}</pre>", html_escape(input.error));
    }
    for (const std::string& warning : input.warnings) {
        html += fmt::format("<p>Warning: {}</p>", html_escape(warning));
    }
}

// A step's result that was found in a cache of others.
std::string found_text(const TaskRecord& task) {
    if (!task.report || task.report->cache.empty()) {
        return "";
    }
    return fmt::format("<br><span class=\"soft\">from {}</span>", html_escape(task.report->cache));
}

std::string fetched_text(const solve::StepReport& report) {
    std::string text;
    for (const auto& [layer, bytes] : report.fetched_from) {
        text += fmt::format("{} from <code>{}</code><br>", size_text(bytes),
                            html_escape(layer.substr(0, 19)));
    }
    return text;
}

void add_table(std::string& html, const ReportInput& input) {
    html +=
        "<h2>Steps</h2><div class=\"wide\"><table><thead><tr><th>#<th>Step<th>Outcome"
        "<th>Time<th>Why it ran<th>Fetched lazily</tr></thead><tbody>";
    for (const TaskRecord& task : input.tasks) {
        const solve::Time ended = task.ended.value_or(input.ended);
        html += fmt::format(
            "<tr><td>{}<td><code>{}</code>{}<td><span class=\"badge {}\">{}</span>{}"
            "<td class=\"number\">{:.2f} s<td>{}<td>{}</tr>",
            task.id, html_escape(task.text),
            task.report && !task.report->key.empty()
                ? fmt::format("<br><code class=\"soft\">{}</code>",
                              html_escape(task.report->key.substr(0, 19)))
                : "",
            outcome_class(task.outcome), outcome_name(task.outcome), found_text(task),
            seconds_between(task.began, ended),
            task.report ? html_escape(task.report->why_not_cached) : "",
            task.report ? fetched_text(*task.report) : "");
    }
    html += "</tbody></table></div>";
    for (const TaskRecord& task : input.tasks) {
        if (task.outcome != solve::Outcome::failed || task.last_lines.empty()) {
            continue;
        }
        html += fmt::format("<h2>Last output of {}</h2><pre>", html_escape(task.text));
        for (const std::string& line : task.last_lines) {
            html += html_escape(printable(line)) + "\n";
        }
        html += "</pre>";
    }
}

}  // namespace

std::string html_escape(std::string_view text) {
    std::string out;
    for (const char byte : printable(text)) {
        switch (byte) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            case '\'': out += "&#39;"; break;
            default: out += byte;
        }
    }
    return out;
}

std::string report_html(const ReportInput& input) {
    std::string html = fmt::format(fmt::runtime(kHead), html_escape(input.title));
    add_summary(html, input);
    html += "<h2>What was made of what</h2><div class=\"wide\">" + stage_graph(input) + "</div>";
    html += "<h2>When</h2><div class=\"wide\">" + timeline(input) + "</div>";
    add_table(html, input);
    html += "</body></html>\n";
    return html;
}

}  // namespace lazybuild::cli
