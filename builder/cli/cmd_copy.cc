// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_copy.h"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "builder/cli/open_command.h"
#include "builder/image/image_documents.h"
#include "builder/image/image_target.h"
#include "builder/image/open_image.h"
#include "builder/image/work.h"
#include "codec/media_type.h"

namespace lazybuild::cli {
namespace {

constexpr int kIndexDepthMax = 4;

struct Totals {
    std::size_t blobs = 0;
    std::uint64_t copied_bytes = 0;
    std::size_t present = 0;
    std::size_t mounted = 0;
};

// One image on its way. Documents are collected parents first and written children first, so that
// whatever is at the target has all that it names.
class ImageCopy {
  public:
    ImageCopy(image::Session& session, image::ImageSource& source, image::ImageTarget& target)
        : session_(session), source_(source), target_(target) {}

    io::Task<Result<codec::Digest>> run(std::optional<codec::Platform> platform);

  private:
    io::Task<Result<void>> collect(image::ImageDocument document, int depth);
    void collect_blob(const codec::Descriptor& blob);
    io::Task<Result<void>> copy_blob(codec::Descriptor blob);
    void report(const codec::Descriptor& blob, image::BlobOutcome outcome);

    image::Session& session_;
    image::ImageSource& source_;
    image::ImageTarget& target_;
    std::vector<image::ImageDocument> documents_;  ///< the root first
    std::vector<codec::Descriptor> blobs_;
    std::set<codec::Digest> seen_;
    Totals totals_;
};

void ImageCopy::collect_blob(const codec::Descriptor& blob) {
    if (codec::is_foreign_layer(blob.media_type)) {
        session_.console().note(fmt::format("{}  left where it is: it must not be distributed",
                                            image::short_digest(blob.digest)));
        return;
    }
    if (seen_.insert(blob.digest).second) {
        blobs_.push_back(blob);
    }
}

io::Task<Result<void>> ImageCopy::collect(image::ImageDocument document, int depth) {
    if (depth > kIndexDepthMax) {
        co_return fail(over_limit("indexes that name indexes, too deep"));
    }
    std::vector<codec::Descriptor> children;
    if (document.manifest) {
        collect_blob(document.manifest->config);
        for (const codec::Descriptor& layer : document.manifest->layers) {
            collect_blob(layer);
        }
    } else {
        children = document.index->manifests;
    }
    documents_.push_back(std::move(document));
    for (const codec::Descriptor& child : children) {
        if (seen_.insert(child.digest).second) {
            image::ImageDocument read =
                co_await io::or_return(co_await image::read_child(source_, child, session_.wait()));
            co_await io::or_return(co_await collect(std::move(read), depth + 1));
        }
    }
    co_return Result<void>{};
}

void ImageCopy::report(const codec::Descriptor& blob, image::BlobOutcome outcome) {
    ++totals_.blobs;
    const char* what = "copied";
    switch (outcome) {
        case image::BlobOutcome::present:
            what = "is there";
            ++totals_.present;
            break;
        case image::BlobOutcome::mounted:
            what = "mounted from the other repository";
            ++totals_.mounted;
            break;
        case image::BlobOutcome::copied: totals_.copied_bytes += blob.size_bytes; break;
    }
    session_.console().note(fmt::format("{}  {:>9}  {}", image::short_digest(blob.digest),
                                        image::size_text(blob.size_bytes), what));
}

io::Task<Result<void>> ImageCopy::copy_blob(codec::Descriptor blob) {
    const image::BlobOutcome outcome =
        co_await io::or_return(co_await target_.copy_blob(source_, blob, session_.wait()));
    report(blob, outcome);
    co_return Result<void>{};
}

io::Task<Result<codec::Digest>> ImageCopy::run(std::optional<codec::Platform> platform) {
    image::ImageDocument root =
        co_await io::or_return(co_await image::read_root(source_, session_.wait()));
    if (platform) {
        image::ImageDocument chosen = co_await io::or_return(co_await image::choose_platform(
            session_, source_, std::move(root), *platform, session_.wait()));
        root = std::move(chosen);
    }
    const codec::Descriptor descriptor = root.descriptor;
    seen_.insert(descriptor.digest);
    co_await io::or_return(co_await collect(std::move(root), 0));

    std::vector<io::Task<Result<void>>> copies;
    copies.reserve(blobs_.size());
    for (const codec::Descriptor& blob : blobs_) {
        copies.push_back(copy_blob(blob));
    }
    co_await io::or_return(co_await image::run_all(session_, std::move(copies)));

    co_await io::or_return(session_.check_interrupt());
    for (std::size_t i = documents_.size() - 1; i > 0; --i) {
        co_await io::or_return(co_await target_.put_document(
            documents_[i].descriptor, std::move(documents_[i].bytes), session_.wait()));
    }
    co_await io::or_return(
        co_await target_.finish(descriptor, std::move(documents_[0].bytes), session_.wait()));
    session_.console().note(fmt::format("{}: {} copied; of {} blobs {} were there, {} mounted",
                                        target_.name(), image::size_text(totals_.copied_bytes),
                                        totals_.blobs, totals_.present, totals_.mounted));
    co_return descriptor.digest;
}

}  // namespace

ExitCode run(const CopyArgs& args, image::Console& console) {
    constexpr std::string_view kCommand = "copy";
    const auto platform = image::parse_platform(args.platform);
    if (!platform) {
        return report_usage(console, kCommand, platform.error());
    }
    const auto transfer = open_transfer(args.source, args.target, args.registry, console, kCommand);
    if (!transfer) {
        return transfer.error();
    }
    ImageCopy copy(*transfer->session, *transfer->source, *transfer->target);
    const auto digest = transfer->session->run(copy.run(*platform));
    if (!digest) {
        return report_failure(console, kCommand, digest.error());
    }
    console.out(digest->text() + "\n");
    return ExitCode::done;
}

}  // namespace lazybuild::cli
