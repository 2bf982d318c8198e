// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_convert.h"

#include <fmt/format.h>

#include <optional>
#include <utility>
#include <vector>

#include "base/file.h"
#include "builder/cli/open_command.h"
#include "builder/image/image_documents.h"
#include "builder/image/image_target.h"
#include "builder/image/layer_convert.h"
#include "builder/image/open_image.h"
#include "builder/image/work.h"
#include "codec/media_type.h"

namespace lazybuild::cli {
namespace {

constexpr std::uint64_t kPrioritizeFileBytesMax = 16 << 20;

/// A document that was made here, with its bytes.
struct Made {
    codec::Descriptor descriptor;
    Bytes bytes;
};

Made make_document(std::string_view media_type, const std::string& text) {
    const ByteView bytes = as_bytes(text);
    return Made{.descriptor = image::describe(media_type, bytes),
                .bytes = Bytes(bytes.begin(), bytes.end())};
}

// The images of one conversion. Each layer is in the target before the documents that name it.
class ImageConvert {
  public:
    ImageConvert(image::Session& session, image::ImageSource& source, image::ImageTarget& target,
                 const codec::LayerFormat& format, codec::LayerOptions options)
        : session_(session),
          source_(source),
          target_(target),
          layers_(session, source, target, format, std::move(options)) {}

    /// The manifest for `platform`, or for the host's.
    io::Task<Result<codec::Digest>> run_one(std::optional<codec::Platform> platform);
    /// The index, with every image in it.
    io::Task<Result<codec::Digest>> run_all_platforms();

    const image::LayerConverter& layers() const { return layers_; }

  private:
    io::Task<Result<Made>> convert_manifest(image::ImageDocument document);
    io::Task<Result<void>> convert_layer(codec::Descriptor layer, codec::Digest diff_id,
                                         std::optional<image::ConvertedLayer>& result);
    io::Task<Result<Made>> put_config(image::ConfigDocument config,
                                      std::vector<codec::Digest> diff_ids);
    io::Task<Result<std::optional<codec::Descriptor>>> convert_child(codec::Descriptor child);

    image::Session& session_;
    image::ImageSource& source_;
    image::ImageTarget& target_;
    image::LayerConverter layers_;
};

io::Task<Result<void>> ImageConvert::convert_layer(codec::Descriptor layer, codec::Digest diff_id,
                                                   std::optional<image::ConvertedLayer>& result) {
    result = co_await io::or_return(co_await layers_.convert(std::move(layer), diff_id));
    co_return Result<void>{};
}

// Unchanged diffIDs leave the config as it is, byte for byte.
io::Task<Result<Made>> ImageConvert::put_config(image::ConfigDocument config,
                                                std::vector<codec::Digest> diff_ids) {
    Made made;
    if (config.config.diff_ids == diff_ids) {
        made.descriptor = image::describe(codec::media_type::kOciConfig, config.bytes);
        made.bytes = std::move(config.bytes);
    } else {
        config.config.diff_ids = std::move(diff_ids);
        made = make_document(codec::media_type::kOciConfig, config.config.serialize());
    }
    co_await io::or_return(
        co_await target_.put_small_blob(made.descriptor, made.bytes, session_.wait()));
    co_return made;
}

// Everything but the image's own manifest is in the target when this returns.
io::Task<Result<Made>> ImageConvert::convert_manifest(image::ImageDocument document) {
    codec::Manifest manifest = *std::move(document.manifest);
    image::ConfigDocument config = co_await io::or_return(
        co_await image::read_config(session_, source_, manifest, session_.wait()));

    std::vector<std::optional<image::ConvertedLayer>> converted(manifest.layers.size());
    std::vector<io::Task<Result<void>>> conversions;
    conversions.reserve(manifest.layers.size());
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
        conversions.push_back(
            convert_layer(manifest.layers[i], config.config.diff_ids[i], converted[i]));
    }
    co_await io::or_return(co_await image::run_all(session_, std::move(conversions)));

    std::vector<codec::Digest> diff_ids;
    for (std::size_t i = 0; i < converted.size(); ++i) {
        manifest.layers[i] = std::move(converted[i]->descriptor);
        diff_ids.push_back(converted[i]->diff_id);
    }
    const Made new_config =
        co_await io::or_return(co_await put_config(std::move(config), std::move(diff_ids)));
    if (new_config.descriptor.digest != manifest.config.digest) {
        manifest.config = manifest.config.with_content(new_config.descriptor.media_type,
                                                       new_config.descriptor.digest,
                                                       new_config.descriptor.size_bytes);
    }
    manifest.use_oci_types();
    const std::string text = manifest.serialize();
    if (text == manifest.original) {
        // Nothing changed, so neither does the digest, whatever the document's spaces.
        co_return Made{.descriptor = document.descriptor, .bytes = std::move(document.bytes)};
    }
    co_return make_document(manifest.media_type, text);
}

io::Task<Result<codec::Digest>> ImageConvert::run_one(std::optional<codec::Platform> platform) {
    image::ImageDocument root =
        co_await io::or_return(co_await image::read_root(source_, session_.wait()));
    if (platform) {
        image::ImageDocument chosen = co_await io::or_return(co_await image::choose_platform(
            session_, source_, std::move(root), *platform, session_.wait()));
        root = std::move(chosen);
    } else {
        image::ImageDocument chosen = co_await io::or_return(co_await image::choose_manifest(
            source_, std::move(root), codec::host_platform(), session_.wait()));
        root = std::move(chosen);
    }
    Made made = co_await io::or_return(co_await convert_manifest(std::move(root)));
    const codec::Digest digest = made.descriptor.digest;
    co_await io::or_return(session_.check_interrupt());
    co_await io::or_return(
        co_await target_.finish(made.descriptor, std::move(made.bytes), session_.wait()));
    co_return digest;
}

// nullopt: it is no image, and left out.
io::Task<Result<std::optional<codec::Descriptor>>> ImageConvert::convert_child(
    codec::Descriptor child) {
    if (codec::is_attestation(child)) {
        session_.console().note(
            fmt::format("{}  left out: an attestation of an image whose digest changes",
                        image::short_digest(child.digest)));
        co_return std::nullopt;
    }
    image::ImageDocument document =
        co_await io::or_return(co_await image::read_child(source_, child, session_.wait()));
    const bool is_image =
        document.manifest && codec::is_image_config(document.manifest->config.media_type);
    if (!is_image) {
        session_.console().note(
            fmt::format("{}  left out: not an image", image::short_digest(child.digest)));
        co_return std::nullopt;
    }
    Made made = co_await io::or_return(co_await convert_manifest(std::move(document)));
    co_await io::or_return(
        co_await target_.put_document(made.descriptor, std::move(made.bytes), session_.wait()));
    co_return child.with_content(made.descriptor.media_type, made.descriptor.digest,
                                 made.descriptor.size_bytes);
}

io::Task<Result<codec::Digest>> ImageConvert::run_all_platforms() {
    image::ImageDocument root =
        co_await io::or_return(co_await image::read_root(source_, session_.wait()));
    if (root.manifest) {
        co_return fail(
            invalid(fmt::format("{} is an image for one platform; leave --all-platforms "
                                "away",
                                source_.name())));
    }
    codec::Index index = *std::move(root.index);
    std::vector<codec::Descriptor> manifests;
    for (const codec::Descriptor& child : index.manifests) {
        std::optional<codec::Descriptor> converted =
            co_await io::or_return(co_await convert_child(child));
        if (converted) {
            manifests.push_back(*std::move(converted));
        }
    }
    if (manifests.empty()) {
        co_return fail(corrupt(source_.name() + ": no image in its index"));
    }
    index.manifests = std::move(manifests);
    index.use_oci_types();
    Made made = make_document(codec::media_type::kOciIndex, index.serialize());
    const codec::Digest digest = made.descriptor.digest;
    co_await io::or_return(session_.check_interrupt());
    co_await io::or_return(
        co_await target_.finish(made.descriptor, std::move(made.bytes), session_.wait()));
    co_return digest;
}

// One path a line; empty lines mean nothing.
Result<std::vector<std::string>> read_prioritized(const std::string& file) {
    std::vector<std::string> paths;
    if (file.empty()) {
        return paths;
    }
    TRY(const std::string text, read_file(file, kPrioritizeFileBytesMax));
    for (std::size_t start = 0; start < text.size();) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        std::string path = text.substr(start, end - start);
        if (path.ends_with('\r')) {
            path.pop_back();
        }
        if (!path.empty()) {
            paths.push_back(std::move(path));
        }
        start = end + 1;
    }
    return paths;
}

void warn_about_missing(const image::LayerConverter& layers, image::Console& console) {
    constexpr std::size_t kShown = 10;
    const std::vector<std::string> nowhere = layers.prioritized_nowhere();
    for (std::size_t i = 0; i < std::min(nowhere.size(), kShown); ++i) {
        console.warn(fmt::format("--prioritize: no layer has {}", nowhere[i]));
    }
    if (nowhere.size() > kShown) {
        console.warn(fmt::format("--prioritize: and {} more", nowhere.size() - kShown));
    }
}

}  // namespace

ExitCode run(const ConvertArgs& args, image::Console& console) {
    constexpr std::string_view kCommand = "convert";
    const auto platform = image::parse_platform(args.platform);
    if (!platform) {
        return report_usage(console, kCommand, platform.error());
    }
    auto prioritized = read_prioritized(args.prioritize);
    if (!prioritized) {
        return report_usage(console, kCommand, prioritized.error().context("--prioritize"));
    }
    const codec::LayerFormat* const format = codec::find_layer_format(args.format);
    if (format == nullptr || format->writer == nullptr) {
        return report_usage(console, kCommand,
                            invalid(fmt::format("--format: {} is none of {}", args.format,
                                                fmt::join(codec::writable_format_names(), ", "))));
    }
    codec::LayerOptions options{.level = args.level,
                                .chunk_size_bytes = args.chunk_size_bytes,
                                .min_chunk_size_bytes = args.min_chunk_size_bytes,
                                .prioritized = *std::move(prioritized)};
    if (const auto checked = format->writer->check(options); !checked) {
        return report_usage(console, kCommand, checked.error());
    }
    const auto transfer =
        open_transfer(args.source, args.target, args.registry, console, kCommand, args.jobs);
    if (!transfer) {
        return transfer.error();
    }
    ImageConvert convert(*transfer->session, *transfer->source, *transfer->target, *format,
                         std::move(options));
    const auto digest = transfer->session->run(args.all_platforms ? convert.run_all_platforms()
                                                                  : convert.run_one(*platform));
    if (!digest) {
        return report_failure(console, kCommand, digest.error());
    }
    warn_about_missing(convert.layers(), console);
    console.note(fmt::format("{}: {}", transfer->target->name(), digest->text()));
    console.out(digest->text() + "\n");
    return ExitCode::done;
}

}  // namespace lazybuild::cli
