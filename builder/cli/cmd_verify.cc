// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_verify.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "builder/cli/layer_verify.h"
#include "builder/cli/open_command.h"
#include "builder/cli/verify_report.h"
#include "builder/image/image_documents.h"
#include "builder/image/layer_inspection.h"
#include "builder/image/work.h"

namespace lazybuild::cli {
namespace {

/// What a layer's table of contents says, when it is the one that it should be.
struct ReadToc {
    const codec::LayerFormat* format = nullptr;
    codec::TocClaims claims;
    std::uint64_t offset_bytes = 0;
};

bool was_cancelled(const Error& error) {
    return error.code == std::errc::operation_canceled;
}

// Also reads it as the snapshotter will, which wants more of it than digests.
Result<codec::TocClaims> claims_of(ByteView index, const image::LayerInspection& inspection,
                                   Findings& findings) {
    const auto toc = inspection.indexed->read_toc(index, inspection.index, inspection.toc_digest);
    auto claims = inspection.indexed->read_claims(index, inspection.toc_digest);
    if (!toc && !claims) {
        return fail(toc.error());
    }
    if (!toc) {
        findings.add("it cannot be served lazily: " + toc.error().message);
    }
    return claims;
}

class ImageVerification {
  public:
    ImageVerification(image::Session& session, image::ImageSource& source)
        : session_(session), source_(source) {}

    /// Errors: what leaves nothing to verify, and operation_canceled.
    io::Task<Result<VerifyReport>> run(codec::Platform platform);

  private:
    io::Task<Result<void>> verify_layer(LayerVerdict& verdict);
    io::Task<Result<std::optional<ReadToc>>> read_claims(LayerVerdict& verdict);
    io::Task<Result<void>> stream(LayerVerdict& verdict, ByteSink& sink);

    image::Session& session_;
    image::ImageSource& source_;
};

io::Task<Result<VerifyReport>> ImageVerification::run(codec::Platform platform) {
    image::ImageDocument root =
        co_await io::or_return(co_await image::read_root(source_, session_.wait()));
    image::ImageDocument document = co_await io::or_return(co_await image::choose_manifest(
        source_, std::move(root), std::move(platform), session_.wait()));
    VerifyReport report;
    report.name = source_.name();
    report.manifest = document.descriptor;
    report.config = document.manifest->config;
    auto config =
        co_await image::read_config(session_, source_, *document.manifest, session_.wait());
    if (!config && was_cancelled(config.error())) {
        co_return fail(std::move(config).error());
    }
    if (!config) {
        report.findings.add("config: " + config.error().message);
    }
    for (const codec::Descriptor& descriptor : document.manifest->layers) {
        LayerVerdict& layer = report.layers.emplace_back();
        layer.descriptor = descriptor;
        if (config) {
            layer.diff_id = config->config.diff_ids[report.layers.size() - 1];
        }
    }
    std::vector<io::Task<Result<void>>> layers;
    layers.reserve(report.layers.size());
    for (LayerVerdict& layer : report.layers) {
        layers.push_back(verify_layer(layer));
    }
    co_await io::or_return(co_await image::run_all(session_, std::move(layers)));
    co_return report;
}

// Everything but a wish to stop is a finding, so that one bad layer does not hide another.
io::Task<Result<void>> ImageVerification::verify_layer(LayerVerdict& verdict) {
    const auto begin = std::chrono::steady_clock::now();
    std::optional<ReadToc> toc = co_await io::or_return(co_await read_claims(verdict));
    std::optional<codec::Digest> tar;
    if (toc) {
        verdict.files = toc->claims.files.size();
        LayerVerifier verifier(*toc->format, std::move(toc->claims), toc->offset_bytes,
                               verdict.findings);
        co_await io::or_return(co_await stream(verdict, verifier));
        tar = verifier.finish();
        verdict.chunks = verifier.chunks_checked();
    } else {
        TarDigester digester(verdict.findings);
        co_await io::or_return(co_await stream(verdict, digester));
        tar = digester.finish();
    }
    if (verdict.diff_id && tar && *tar != *verdict.diff_id) {
        verdict.findings.add(fmt::format("diffID: its tar is {}, the config says {}", tar->text(),
                                         verdict.diff_id->text()));
    } else if (!tar) {
        verdict.findings.add("diffID: not known, because its tar cannot be read to the end");
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    session_.console().note(
        fmt::format("{}  {:>9}  read in {:.1f} s", image::short_digest(verdict.descriptor.digest),
                    image::size_text(verdict.descriptor.size_bytes), took.count()));
    co_return Result<void>{};
}

io::Task<Result<std::optional<ReadToc>>> ImageVerification::read_claims(LayerVerdict& verdict) {
    const codec::Descriptor layer = verdict.descriptor;
    auto inspection = co_await image::inspect_layer(source_, layer, session_.wait());
    if (!inspection) {
        if (was_cancelled(inspection.error())) {
            co_return fail(std::move(inspection).error());
        }
        verdict.findings.add("its end: " + inspection.error().message);
        co_return std::nullopt;
    }
    verdict.format = inspection->format;
    if (inspection->toc_digest && !inspection->reason.empty()) {
        verdict.findings.add(inspection->reason);
    }
    if (inspection->indexed == nullptr) {
        co_return std::nullopt;
    }
    verdict.indexed = true;
    const auto index =
        co_await image::read_index(source_, layer, inspection->index, session_.wait());
    if (!index) {
        if (was_cancelled(index.error())) {
            co_return fail(index.error());
        }
        verdict.findings.add("TOC: " + index.error().message);
        co_return std::nullopt;
    }
    Findings& findings = verdict.findings;
    auto job = [&index, &inspection, &findings] {
        return claims_of(*index, *inspection, findings);
    };
    auto claims = co_await io::run_on(session_.pool(), session_.reactor(), std::move(job));
    if (!claims) {
        verdict.findings.add(claims.error().message);
        co_return std::nullopt;
    }
    co_return ReadToc{.format = inspection->indexed,
                      .claims = *std::move(claims),
                      .offset_bytes = inspection->index.offset_bytes};
}

io::Task<Result<void>> ImageVerification::stream(LayerVerdict& verdict, ByteSink& sink) {
    const codec::Descriptor layer = verdict.descriptor;
    const Result<void> streamed =
        co_await image::stream_blob(session_, source_, layer, sink, session_.wait());
    if (!streamed && was_cancelled(streamed.error())) {
        co_return streamed;
    }
    if (!streamed) {
        verdict.findings.add(streamed.error().message);
    }
    co_return Result<void>{};
}

}  // namespace

ExitCode run(const VerifyArgs& args, image::Console& console) {
    constexpr std::string_view kCommand = "verify";
    const auto reading = open_reading(args.image, args.platform, args.registry, console, kCommand);
    if (!reading) {
        return reading.error();
    }
    ImageVerification verification(*reading->session, *reading->source);
    const auto report =
        reading->session->run(verification.run(reading->platform.value_or(codec::host_platform())));
    if (!report) {
        return report_failure(console, kCommand, report.error());
    }
    console.out(args.json ? verdict_json(*report) : verdict_text(*report));
    if (const std::size_t count = report->finding_count(); count > 0) {
        return report_failure(console, kCommand,
                              corrupt(fmt::format("{}: {} thing{} not hold", report->name, count,
                                                  count == 1 ? " does" : "s do")));
    }
    return ExitCode::done;
}

}  // namespace lazybuild::cli
