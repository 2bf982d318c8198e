// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_images.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/suggest.h"
#include "builder/export/documents.h"
#include "builder/export/image_store.h"
#include "builder/export/store_source.h"
#include "builder/image/image_documents.h"
#include "builder/image/work.h"
#include "builder/layers/layer_store.h"
#include "codec/json.h"
#include "snapshotter/registry/reference.h"

namespace lazybuild::cli {
namespace {

constexpr std::string_view kImages = "images";
constexpr std::string_view kRemove = "rmi";

struct LabelFilter {
    std::string name;
    std::optional<std::string> value;
};

struct ShownImage {
    exporter::StoredImage image;
    std::string platforms;
    std::uint64_t size_bytes = 0;  ///< of the layers' blobs, of all platforms
    codec::StringMap labels;       ///< of the first platform
};

Result<std::vector<LabelFilter>> parse_filters(const std::vector<std::string>& texts) {
    constexpr std::string_view kLabel = "label=";
    std::vector<LabelFilter> filters;
    for (const std::string& text : texts) {
        if (!text.starts_with(kLabel) || text.size() == kLabel.size()) {
            return fail(
                invalid(fmt::format("--filter \"{}\": not label=NAME or label=NAME=VALUE", text)));
        }
        const std::string label = text.substr(kLabel.size());
        const std::size_t equals = label.find('=');
        LabelFilter filter{.name = label.substr(0, equals), .value = {}};
        if (equals != std::string::npos) {
            filter.value = label.substr(equals + 1);
        }
        filters.push_back(std::move(filter));
    }
    return filters;
}

bool matches(const codec::StringMap& labels, const std::vector<LabelFilter>& filters) {
    return std::ranges::all_of(filters, [&labels](const LabelFilter& filter) {
        const auto label = labels.find(filter.name);
        return label != labels.end() && (!filter.value || label->second == *filter.value);
    });
}

bool has_store(const std::string& root) {
    return ::access((root + "/build.db").c_str(), F_OK) == 0;
}

class ImageList {
  public:
    ImageList(layers::LayerStore& store, image::Session& session)
        : store_(store), session_(session) {}

    Result<std::vector<ShownImage>> read(const std::vector<LabelFilter>& filters);

  private:
    Result<ShownImage> look(exporter::StoredImage image);
    Result<void> add_manifest(image::ImageSource& source, const codec::Manifest& manifest,
                              ShownImage& shown);

    layers::LayerStore& store_;
    image::Session& session_;
};

Result<void> ImageList::add_manifest(image::ImageSource& source, const codec::Manifest& manifest,
                                     ShownImage& shown) {
    TRY(const auto config,
        session_.wait_for(image::read_config(session_, source, manifest, session_.wait())));
    for (const codec::Descriptor& layer : manifest.layers) {
        shown.size_bytes += layer.size_bytes;
    }
    if (shown.platforms.empty()) {
        shown.labels = config.config.labels;
    }
    shown.platforms += (shown.platforms.empty() ? "" : ",") + config.config.platform.text();
    return {};
}

Result<ShownImage> ImageList::look(exporter::StoredImage image) {
    ShownImage shown{.image = std::move(image), .platforms = {}, .labels = {}};
    const auto source =
        exporter::store_source(store_, session_, shown.image.name, shown.image.root);
    TRY(const auto root, session_.wait_for(image::read_root(*source, session_.wait())));
    if (root.manifest) {
        CHECK_OK(add_manifest(*source, *root.manifest, shown));
        return shown;
    }
    for (const codec::Descriptor& each : root.index->manifests) {
        TRY(const auto child, session_.wait_for(image::read_child(*source, each, session_.wait())));
        if (child.manifest) {
            CHECK_OK(add_manifest(*source, *child.manifest, shown));
        }
    }
    return shown;
}

Result<std::vector<ShownImage>> ImageList::read(const std::vector<LabelFilter>& filters) {
    TRY(exporter::ImageStore names, exporter::ImageStore::open(store_.root()));
    TRY(std::vector<exporter::StoredImage> images, names.list());
    std::vector<ShownImage> all;
    for (exporter::StoredImage& image : images) {
        const std::string name = image.name;
        auto shown = look(std::move(image));
        if (!shown) {
            // One that is damaged must not hide the others.
            session_.console().note(fmt::format("warning: {}: {}", name, shown.error().message));
            continue;
        }
        if (matches(shown->labels, filters)) {
            all.push_back(*std::move(shown));
        }
    }
    return all;
}

std::string as_text(const std::vector<ShownImage>& images) {
    std::size_t width = 4;
    for (const ShownImage& shown : images) {
        width = std::max(width, shown.image.name.size());
    }
    std::string text = fmt::format("{:<{}}  {:<19}  {:>9}  {:<20}  {}\n", "NAME", width, "DIGEST",
                                   "SIZE", "KEPT", "PLATFORM");
    for (const ShownImage& shown : images) {
        text += fmt::format("{:<{}}  {}  {:>9}  {}  {}\n", shown.image.name, width,
                            image::short_digest(shown.image.root.digest),
                            image::size_text(shown.size_bytes),
                            exporter::rfc3339(shown.image.kept_s), shown.platforms);
    }
    return text;
}

std::string as_json(const std::vector<ShownImage>& images) {
    codec::Json list = codec::Json::array();
    for (const ShownImage& shown : images) {
        codec::Json image = codec::Json::object();
        image["name"] = shown.image.name;
        image["digest"] = shown.image.root.digest.text();
        image["mediaType"] = shown.image.root.media_type;
        image["size"] = shown.size_bytes;
        image["kept"] = exporter::rfc3339(shown.image.kept_s);
        image["platforms"] = codec::Json::array();
        std::size_t begin = 0;
        while (begin < shown.platforms.size()) {
            const std::size_t end =
                std::min(shown.platforms.find(',', begin), shown.platforms.size());
            image["platforms"].push_back(shown.platforms.substr(begin, end - begin));
            begin = end + 1;
        }
        image["labels"] = codec::Json::object();
        for (const auto& [name, value] : shown.labels) {
            image["labels"][name] = value;
        }
        list.push_back(std::move(image));
    }
    return codec::json_pretty(list);
}

Result<std::vector<ShownImage>> list_images(const ImagesArgs& args,
                                            const std::vector<LabelFilter>& filters,
                                            image::Console& console) {
    if (!has_store(args.root)) {
        return std::vector<ShownImage>{};
    }
    TRY(const auto session, image::Session::open({}, console));
    return session->run_blocking([&]() -> Result<std::vector<ShownImage>> {
        TRY(const auto store, layers::LayerStore::open(args.root, *session));
        return ImageList{*store, *session}.read(filters);
    });
}

// The names that `text` stands for: itself, in full, or those of the image with this digest.
Result<std::vector<std::string>> names_of(const std::string& text,
                                          const std::vector<exporter::StoredImage>& images) {
    std::vector<std::string> names;
    std::vector<std::string> all;
    const auto reference = registry::Reference::parse(text);
    for (const exporter::StoredImage& image : images) {
        all.push_back(image.name);
        const bool named = image.name == text || (reference && image.name == reference->text());
        if (named || image.root.digest.text() == text) {
            names.push_back(image.name);
        }
    }
    if (names.empty()) {
        const std::string near = nearest(reference ? reference->text() : text, all);
        return fail(
            Error{.code = std::errc::no_such_file_or_directory,
                  .message = fmt::format("{}: no such image{}", text,
                                         near.empty() ? "" : "; did you mean " + near + "?")});
    }
    return names;
}

Result<std::vector<std::string>> remove_images(const RemoveImagesArgs& args) {
    std::vector<std::string> removed;
    if (!has_store(args.root)) {
        return fail(Error{.code = std::errc::no_such_file_or_directory,
                          .message = args.root + ": no build has kept anything there"});
    }
    TRY(exporter::ImageStore store, exporter::ImageStore::open(args.root));
    TRY(const std::vector<exporter::StoredImage> images, store.list());
    for (const std::string& text : args.names) {  // nothing is removed if one is wrong
        TRY(const auto names, names_of(text, images));
        removed.insert(removed.end(), names.begin(), names.end());
    }
    for (const std::string& name : removed) {
        TRY([[maybe_unused]] const bool was_there, store.remove(name));
    }
    return removed;
}

}  // namespace

ExitCode run(const ImagesArgs& args, image::Console& console) {
    const auto filters = parse_filters(args.filters);
    if (!filters) {
        return report_usage(console, kImages, filters.error());
    }
    const auto images = list_images(args, *filters, console);
    if (!images) {
        return report_failure(console, kImages, images.error());
    }
    console.out(args.json ? as_json(*images) : as_text(*images));
    return ExitCode::done;
}

ExitCode run(const RemoveImagesArgs& args, image::Console& console) {
    const auto removed = remove_images(args);
    if (!removed) {
        return report_failure(console, kRemove, removed.error());
    }
    for (const std::string& name : *removed) {
        console.out(name + "\n");
    }
    return ExitCode::done;
}

}  // namespace lazybuild::cli
