// SPDX-License-Identifier: Apache-2.0
#include "builder/image/image_documents.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "codec/json.h"
#include "codec/sha256.h"

namespace lazybuild::image {
namespace {

/// Indexes may name indexes; nobody needs more than this.
constexpr int kIndexDepthMax = 4;

Result<ImageDocument> parse_document(registry::Document document, const std::string& what) {
    auto type = codec::detect_document(document.bytes, document.media_type);
    if (!type) {
        return fail(std::move(type).error().context(what));
    }
    ImageDocument parsed;
    parsed.descriptor = describe(type->media_type, document.bytes);
    if (type->kind == codec::DocumentKind::index) {
        TRY(parsed.index, codec::Index::parse(document.bytes, document.media_type));
    } else {
        TRY(parsed.manifest, codec::Manifest::parse(document.bytes, document.media_type));
    }
    parsed.bytes = std::move(document.bytes);
    return parsed;
}

}  // namespace

codec::Descriptor describe(std::string_view media_type, ByteView bytes) {
    codec::Descriptor descriptor;
    descriptor.media_type = media_type;
    descriptor.digest = codec::sha256(bytes);
    descriptor.size_bytes = bytes.size();
    return descriptor;
}

io::Task<Result<ImageDocument>> read_root(ImageSource& source, io::Wait wait) {
    registry::Document document = co_await io::or_return(co_await source.root(std::move(wait)));
    co_return parse_document(std::move(document), source.name());
}

io::Task<Result<ImageDocument>> read_child(ImageSource& source, codec::Descriptor descriptor,
                                           io::Wait wait) {
    const std::string what = descriptor.digest.text();
    registry::Document document =
        co_await io::or_return(co_await source.document(descriptor, std::move(wait)));
    // The index has the last word on what its children are, as the Content-Type has on a root.
    if (codec::document_kind(descriptor.media_type)) {
        document.media_type = descriptor.media_type;
    }
    co_return parse_document(std::move(document), what);
}

io::Task<Result<ImageDocument>> choose_manifest(ImageSource& source, ImageDocument root,
                                                codec::Platform platform, io::Wait wait) {
    ImageDocument document = std::move(root);
    for (int depth = 0; document.index; ++depth) {
        const codec::Descriptor* const chosen = codec::select_manifest(*document.index, platform);
        if (chosen == nullptr || depth == kIndexDepthMax) {
            co_return fail(
                Error{.code = std::errc::no_such_file_or_directory,
                      .message = fmt::format("{} has no image for {}; it has: {}", source.name(),
                                             platform.text(), list_platforms(*document.index))});
        }
        const codec::Descriptor descriptor = *chosen;
        ImageDocument child = co_await io::or_return(co_await read_child(source, descriptor, wait));
        document = std::move(child);
    }
    co_return document;
}

io::Task<Result<ConfigDocument>> read_config(Session& session, ImageSource& source,
                                             codec::Manifest manifest, io::Wait wait) {
    if (!codec::is_image_config(manifest.config.media_type)) {
        co_return fail(
            Error{.code = std::errc::not_supported,
                  .message = fmt::format("{} is no container image: its config is \"{}\"",
                                         source.name(), manifest.config.media_type)});
    }
    ConfigDocument document;
    document.bytes = co_await io::or_return(co_await read_blob(
        session, source, manifest.config, codec::kJsonDocumentBytesMax, std::move(wait)));
    document.config = co_await io::or_return(codec::ImageConfig::parse(document.bytes));
    if (document.config.diff_ids.size() != manifest.layers.size()) {
        co_return fail(corrupt(
            fmt::format("config.rootfs.diff_ids: {} of them, for the {} layers of the manifest",
                        document.config.diff_ids.size(), manifest.layers.size())));
    }
    co_return document;
}

io::Task<Result<ImageDocument>> choose_platform(Session& session, ImageSource& source,
                                                ImageDocument root, codec::Platform platform,
                                                io::Wait wait) {
    if (root.index) {
        co_return co_await choose_manifest(source, std::move(root), platform, wait);
    }
    const ConfigDocument config =
        co_await io::or_return(co_await read_config(session, source, *root.manifest, wait));
    if (codec::platform_match(platform, config.config.platform) == 0) {
        co_return fail(
            Error{.code = std::errc::not_supported,
                  .message = fmt::format("{} is an image for {}, not for {}", source.name(),
                                         config.config.platform.text(), platform.text())});
    }
    co_return root;
}

std::string list_platforms(const codec::Index& index) {
    std::string text;
    std::set<std::string> seen;
    for (const codec::Descriptor& manifest : index.manifests) {
        if (!manifest.platform || codec::is_attestation(manifest)) {
            continue;
        }
        const std::string platform = manifest.platform->text();
        if (seen.insert(platform).second) {
            text += text.empty() ? platform : ", " + platform;
        }
    }
    return text.empty() ? "none that says its platform" : text;
}

}  // namespace lazybuild::image
