// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_build.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <utility>

#include "base/file.h"
#include "builder/cli/build.h"
#include "builder/cli/build_log.h"
#include "builder/cli/build_metadata.h"
#include "builder/cli/build_options.h"
#include "builder/cli/build_report.h"
#include "builder/cli/progress_plain.h"
#include "builder/cli/progress_rawjson.h"
#include "builder/cli/progress_tty.h"
#include "builder/cli/terminal_text.h"

namespace lazybuild::cli {
namespace {

constexpr std::string_view kCommand = "build";

// Whatever is mounted from now on, the kernel unmounts when the process ends, however it ends.
Result<void> leave_mount_namespace() {
    if (::geteuid() != 0) {
        return {};
    }
    if (::unshare(CLONE_NEWNS) != 0) {
        return fail(errno_error("cannot have a mount namespace of my own"));
    }
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
        return fail(errno_error("cannot keep mounts to myself"));
    }
    return {};
}

std::unique_ptr<Display> choose_display(const BuildArgs& args, image::Console& console) {
    if (args.quiet || args.progress == "quiet") {
        return quiet_display(console);
    }
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    if (args.progress == "tty" || (args.progress == "auto" && terminal)) {
        return stderr_display();
    }
    return args.progress == "rawjson" ? rawjson_display(console) : plain_display(console, terminal);
}

// The output of what failed, once more where people look: at the end.
void show_failed(const BuildLog& log, image::Console& console) {
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    for (const TaskRecord& task : log.tasks()) {
        if (task.outcome != solve::Outcome::failed || task.last_lines.empty()) {
            continue;
        }
        console.note(fmt::format("------\n > {}:", task.text));
        for (const std::string& line : task.last_lines) {
            console.note(terminal ? printable(line) : line);
        }
        console.note("------");
    }
}

// As a hint, once the build is through: --check has the rest.
void show_findings(const Checked& checked, image::Console& console) {
    if (checked.findings.empty()) {
        return;
    }
    console.note(fmt::format("\n {} warning{} found (--check says more):", checked.findings.size(),
                             checked.findings.size() == 1 ? "" : "s"));
    for (const dockerfile::Finding& finding : checked.findings) {
        console.note(" - " + dockerfile::text_of(finding));
    }
}

/// Warnings of the rooms below are those of the build: in its display's form, and in its report.
class BuildConsole final : public image::Console {
  public:
    BuildConsole(image::Console& console, BuildLog& log) : console_(console), log_(log) {}

    void out(std::string_view text) override { console_.out(text); }
    void note(std::string_view line) override { console_.note(line); }
    void warn(std::string_view message) override { log_.warn(message); }
    void on_interrupt(std::function<void()> stop) override {
        console_.on_interrupt(std::move(stop));
    }

  private:
    image::Console& console_;
    BuildLog& log_;
};

ExitCode finish(const BuildArgs& args, const BuildResult& result, bool quiet,
                image::Console& console) {
    if (!result.text.empty()) {
        console.out(result.text);
        const bool failed =
            result.checked && result.checked->is_error && !result.checked->findings.empty();
        return failed ? ExitCode::failed : ExitCode::done;
    }
    if (const auto written = write_metadata(args, result); !written) {
        return report_failure(console, kCommand, written.error());
    }
    if (!quiet && result.checked) {
        show_findings(*result.checked, console);
    }
    if (quiet && !result.exported.empty()) {
        console.out(result.exported.front().root.digest.text() + "\n");
    }
    return ExitCode::done;
}

// A failure to write it does not make a good build a bad one.
void write_report(const BuildArgs& args, const BuildLog& log, const Result<BuildResult>& result,
                  image::Console& console) {
    if (args.report.empty()) {
        return;
    }
    ReportInput input{.title = args.tags.empty() ? "lazybuild build" : args.tags.front(),
                      .tasks = log.tasks(),
                      .warnings = log.warnings(),
                      .began = log.began(),
                      .ended = std::chrono::system_clock::now(),
                      .error = result ? "" : result.error().message};
    if (result) {
        for (const exporter::Exported& exported : result->exported) {
            input.results.push_back(
                fmt::format("{} {}", exported.root.digest.text(), fmt::join(exported.names, " ")));
        }
    }
    if (const auto written = replace_file(args.report, as_bytes(report_html(input))); !written) {
        console.warn("--report: " + written.error().message);
    }
}

}  // namespace

ExitCode run(const BuildArgs& args, image::Console& console) {
    auto options = read_options(args);
    if (!options) {
        return report_usage(console, kCommand, options.error());
    }
    if (args.own_mount_namespace) {
        if (const auto left = leave_mount_namespace(); !left) {
            report_failure(console, kCommand, left.error());
            return ExitCode::broken;
        }
    }
    const bool quiet = args.quiet || args.progress == "quiet";
    const std::unique_ptr<Display> display = choose_display(args, console);
    BuildLog log(*display);
    BuildConsole build_console(console, log);
    auto session = image::Session::open(args.registry, build_console);
    if (!session) {
        log.finish();
        return report_usage(console, kCommand, session.error());
    }
    Build build(args, *std::move(options), **session, log);
    const auto result = (*session)->run_blocking([&] { return build.run(); });
    log.finish();
    write_report(args, log, result, console);
    if (args.explain && !args.dry_run) {
        console.note(build.explanation());
    }
    if (!result) {
        show_failed(log, console);
        return report_failure(console, kCommand, result.error());
    }
    return finish(args, *result, quiet, console);
}

}  // namespace lazybuild::cli
