// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_cache_verify.h"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "builder/cache/check_cache.h"
#include "builder/cache/check_store.h"
#include "builder/cli/base_images.h"
#include "builder/image/work.h"
#include "codec/json.h"

namespace lazybuild::cli {
namespace {

using codec::Json;

constexpr std::string_view kCommand = "cache verify";
/// Steps under one finding: a base that is gone takes all of them with it. JSON has them all.
constexpr std::size_t kStepsShownMax = 20;

std::string finding_text(const cache::CheckFinding& finding) {
    std::string text = "BAD: ";
    if (finding.blob) {
        text += "blob " + finding.blob->digest.text();
        if (finding.blob->size_bytes > 0) {
            text += fmt::format(" ({})", image::size_text(finding.blob->size_bytes));
        }
        text += ": ";
    }
    text += image::printable(finding.why) + "\n";
    for (std::size_t i = 0; i < finding.needed_by.size() && i < kStepsShownMax; ++i) {
        const cache::CheckFinding::Need& need = finding.needed_by[i];
        const std::string layer =
            need.layer ? "layer " + image::short_digest(*need.layer) + "  " : "";
        text += fmt::format("  {}{}\n", layer, image::printable(need.what));
    }
    if (finding.needed_by.size() > kStepsShownMax) {
        text += fmt::format("  and {} more\n", finding.needed_by.size() - kStepsShownMax);
    }
    return text;
}

Result<cache::CheckReport> check_root(const std::string& root, layers::CheckDepth depth,
                                      image::Session& session) {
    TRY(const auto store, layers::LayerStore::open(root, session));
    TRY(const auto records, solve::Records::open(root));
    TRY(const auto bases, BaseImages::found_layers(root));
    return cache::check_store(*store, *records, bases, depth, session);
}

Error does_not_hold(const cache::CheckReport& report) {
    if (report.lost > 0) {
        return corrupt(fmt::format("{}: the layers of {} of {} records cannot be had", report.name,
                                   report.lost, report.records));
    }
    const std::size_t count = report.findings.size();
    return corrupt(fmt::format("{}: {} thing{} cannot be had, of no record's layers", report.name,
                               count, count == 1 ? "" : "s"));
}

}  // namespace

std::string report_text(const cache::CheckReport& report) {
    std::string text;
    for (const cache::CheckFinding& finding : report.findings) {
        text += finding_text(finding);
    }
    text += fmt::format(
        "{} record{}: {} have their layers here, {} elsewhere, {} have none, {} cannot be had",
        report.records, report.records == 1 ? "" : "s", report.here, report.elsewhere,
        report.without, report.lost);
    if (report.blobs > 0) {
        text += fmt::format("; {} blobs ({}) looked for", report.blobs,
                            image::size_text(report.blob_bytes));
    }
    return text + "\n";
}

std::string report_json(const cache::CheckReport& report) {
    Json findings = Json::array();
    for (const cache::CheckFinding& finding : report.findings) {
        Json entry = Json::object();
        if (finding.blob) {
            entry["blob"] = finding.blob->digest.text();
            entry["size"] = finding.blob->size_bytes;
        }
        entry["why"] = finding.why;
        entry["neededBy"] = Json::array();
        for (const cache::CheckFinding::Need& need : finding.needed_by) {
            Json step = {{"what", need.what}};
            if (need.layer) {
                step["layer"] = need.layer->text();
            }
            entry["neededBy"].push_back(std::move(step));
        }
        findings.push_back(std::move(entry));
    }
    return codec::json_pretty({{"name", report.name},
                               {"holds", report.findings.empty()},
                               {"records",
                                {{"total", report.records},
                                 {"here", report.here},
                                 {"elsewhere", report.elsewhere},
                                 {"withoutLayers", report.without},
                                 {"lost", report.lost}}},
                               {"blobs", {{"count", report.blobs}, {"size", report.blob_bytes}}},
                               {"findings", std::move(findings)}});
}

ExitCode run(const CacheVerifyArgs& args, image::Console& console) {
    std::optional<cache::CacheFrom> from;
    if (!args.cache_from.empty()) {
        auto parsed = cache::CacheFrom::parse(args.cache_from);
        if (!parsed) {
            return report_usage(console, kCommand, parsed.error());
        }
        from = *std::move(parsed);
    } else if (::access((args.root + "/build.db").c_str(), R_OK) != 0) {
        return report_failure(console, kCommand,
                              errno_error(args.root + ": no build has a store there"));
    }
    const auto session = image::Session::open(args.registry, console);
    if (!session) {
        return report_failure(console, kCommand, session.error());
    }
    const layers::CheckDepth depth =
        args.full ? layers::CheckDepth::every_byte : layers::CheckDepth::index;
    const auto report = (*session)->run_blocking([&] {
        return from ? cache::check_cache(*from, depth, **session)
                    : check_root(args.root, depth, **session);
    });
    if (!report) {
        return report_failure(console, kCommand, report.error());
    }
    for (const std::string& warning : report->warnings) {
        console.warn(warning);
    }
    console.out(args.json ? report_json(*report) : report_text(*report));
    return report->findings.empty() ? ExitCode::done
                                    : report_failure(console, kCommand, does_not_hold(*report));
}

}  // namespace lazybuild::cli
