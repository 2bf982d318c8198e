// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_diff.h"

#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "builder/export/image_store.h"
#include "builder/export/store_source.h"
#include "builder/export/tree_diff.h"
#include "builder/image/image_documents.h"
#include "builder/image/layer_tree.h"
#include "builder/image/open_image.h"
#include "builder/image/work.h"
#include "builder/layers/merged_view.h"
#include "codec/json.h"

namespace lazybuild::cli {
namespace {

constexpr std::string_view kCommand = "diff";

// A layer of which there is the tree alone.
class TreeLayer final : public layers::Layer {
  public:
    TreeLayer(codec::Digest id, codec::FileTree tree)
        : id_(id), tree_(std::make_shared<const codec::FileTree>(std::move(tree))) {}

    const codec::Digest& id() const override { return id_; }
    Result<std::shared_ptr<const codec::FileTree>> tree() override { return tree_; }
    Result<void> read_disk(std::uint64_t /*offset_bytes*/, MutableByteView /*out*/) override {
        return none("its table of contents does not say what its bytes are");
    }
    bool contents_are_claims() const override { return true; }
    Result<void> mount(const std::string& /*image*/, const std::string& /*target*/) override {
        return none("only its tree is here");
    }
    std::uint64_t failed_reads() const override { return 0; }
    std::uint64_t fetched_bytes() const override { return 0; }
    std::uint64_t blob_bytes() const override { return 0; }

  private:
    static Result<void> none(std::string why) {
        return fail(Error{.code = std::errc::not_supported, .message = std::move(why)});
    }

    const codec::Digest id_;
    const std::shared_ptr<const codec::FileTree> tree_;
};

io::Task<Result<void>> read_layer(image::Session& session, image::ImageSource& source,
                                  codec::Descriptor layer, layers::LayerPointer& read) {
    codec::FileTree tree = co_await io::or_return(
        co_await image::read_layer_tree(session, source, layer, session.wait()));
    read = std::make_shared<TreeLayer>(layer.digest, std::move(tree));
    co_return Result<void>{};
}

io::Task<Result<layers::Snapshot>> read_layers(image::Session& session, image::ImageSource& source,
                                               codec::Platform platform) {
    image::ImageDocument root =
        co_await io::or_return(co_await image::read_root(source, session.wait()));
    const image::ImageDocument manifest = co_await io::or_return(
        co_await image::choose_manifest(source, std::move(root), platform, session.wait()));
    const std::vector<codec::Descriptor>& layers = manifest.manifest->layers;
    layers::Snapshot snapshot;
    snapshot.layers.resize(layers.size());
    std::vector<io::Task<Result<void>>> tasks;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        tasks.push_back(read_layer(session, source, layers[i], snapshot.layers[i]));
    }
    co_await io::or_return(co_await image::run_all(session, std::move(tasks)));
    co_return snapshot;
}

// Everything that a comparison needs; places are opened on the main thread.
class Diff {
  public:
    Diff(const DiffArgs& args, image::Session& session) : args_(args), session_(session) {}

    Result<std::unique_ptr<image::ImageSource>> open(const std::string& name);
    Result<std::unique_ptr<layers::FileSource>> files(image::ImageSource& source,
                                                      const codec::Platform& platform);

  private:
    Result<std::unique_ptr<image::ImageSource>> kept(const image::ImagePlace& place);

    const DiffArgs& args_;
    image::Session& session_;
    std::unique_ptr<layers::LayerStore> store_;
};

// Null when builds have kept no image of that name.
Result<std::unique_ptr<image::ImageSource>> Diff::kept(const image::ImagePlace& place) {
    const bool store_there = ::access((args_.root + "/build.db").c_str(), R_OK) == 0;
    if (place.kind != image::ImagePlace::Kind::registry || !store_there) {
        return nullptr;
    }
    TRY(exporter::ImageStore names, exporter::ImageStore::open(args_.root));
    TRY(const auto found, names.find(place.reference.text()));
    if (!found) {
        return nullptr;
    }
    if (!store_) {
        TRY(store_, layers::LayerStore::open(args_.root, session_));
    }
    return exporter::store_source(*store_, session_, found->name, found->root);
}

Result<std::unique_ptr<image::ImageSource>> Diff::open(const std::string& name) {
    TRY(const image::ImagePlace place, image::ImagePlace::parse(name));
    if (!name.starts_with("docker://")) {
        TRY(auto source, kept(place));
        if (source) {
            return source;
        }
    }
    return image::open_source(place, session_);
}

Result<std::unique_ptr<layers::FileSource>> Diff::files(image::ImageSource& source,
                                                        const codec::Platform& platform) {
    auto snapshot = session_.wait_for(read_layers(session_, source, platform));
    if (!snapshot) {
        return fail(std::move(snapshot).error().context(source.name()));
    }
    return std::make_unique<layers::MergedView>(*std::move(snapshot),
                                                std::make_shared<layers::ChainTrees>());
}

struct Counts {
    std::size_t added = 0, removed = 0, changed = 0;
};

std::string as_line(const exporter::FileDifference& difference) {
    using Kind = exporter::FileDifference::Kind;
    const bool directory = difference.info.type == codec::FileType::directory;
    std::string line = fmt::format("{} /{}{}",
                                   difference.kind == Kind::added     ? "+"
                                   : difference.kind == Kind::removed ? "-"
                                                                      : "~",
                                   image::printable(difference.path), directory ? "/" : "");
    constexpr std::size_t kShownBytes = 19;  // of "sha256:" and what follows
    for (const exporter::AttributeChange& change : difference.changes) {
        const bool digest = change.what == "content";
        line += fmt::format(
            "  {} {} → {}", change.what,
            image::printable(digest ? change.before.substr(0, kShownBytes) : change.before),
            image::printable(digest ? change.after.substr(0, kShownBytes) : change.after));
    }
    return line + "\n";
}

codec::Json as_json(const exporter::FileDifference& difference) {
    codec::Json file = codec::Json::object();
    file["path"] = "/" + difference.path;
    if (difference.changes.empty()) {
        file["size"] = difference.info.size_bytes;
        file["mode"] = fmt::format("{:04o}", difference.info.mode);
    }
    for (const exporter::AttributeChange& change : difference.changes) {
        file[change.what] = {{"before", change.before}, {"after", change.after}};
    }
    return file;
}

Result<Counts> compare(const DiffArgs& args, const codec::Platform& platform, Diff& diff,
                       image::ImageSource& before, image::ImageSource& after,
                       image::Console& console) {
    TRY(const auto old_files, diff.files(before, platform));
    TRY(const auto new_files, diff.files(after, platform));
    Counts counts;
    codec::Json document = {{"added", codec::Json::array()},
                            {"removed", codec::Json::array()},
                            {"changed", codec::Json::array()}};
    auto tell = [&](const exporter::FileDifference& difference) -> Result<void> {
        using Kind = exporter::FileDifference::Kind;
        const bool added = difference.kind == Kind::added;
        const bool removed = difference.kind == Kind::removed;
        ++(added ? counts.added : removed ? counts.removed : counts.changed);
        if (args.json) {
            document[added     ? "added"
                     : removed ? "removed"
                               : "changed"]
                .push_back(as_json(difference));
        } else {
            console.out(as_line(difference));
        }
        return {};
    };
    CHECK_OK(exporter::compare_files(*old_files, *new_files, {.times = !args.ignore_times}, tell));
    if (args.json) {
        console.out(codec::json_pretty(document));
    }
    return counts;
}

Result<Counts> diff_images(const DiffArgs& args, const codec::Platform& platform,
                           image::Console& console) {
    TRY(const auto session, image::Session::open(args.registry, console));
    Diff diff{args, *session};
    TRY(const auto before, diff.open(args.before));
    TRY(const auto after, diff.open(args.after));
    return session->run_blocking(
        [&] { return compare(args, platform, diff, *before, *after, console); });
}

}  // namespace

ExitCode run(const DiffArgs& args, image::Console& console) {
    const auto platform = image::parse_platform(args.platform);
    if (!platform) {
        return report_usage(console, kCommand, platform.error());
    }
    for (const std::string& name : {args.before, args.after}) {
        if (const auto place = image::ImagePlace::parse(name); !place) {
            return report_usage(console, kCommand, place.error());
        }
    }
    if (const auto options = image::client_options(args.registry); !options) {
        return report_usage(console, kCommand, options.error());
    }
    const auto counts = diff_images(args, platform->value_or(codec::host_platform()), console);
    if (!counts) {
        return report_failure(console, kCommand, counts.error());
    }
    console.note(fmt::format("{} added, {} removed, {} changed", counts->added, counts->removed,
                             counts->changed));
    return ExitCode::done;
}

}  // namespace lazybuild::cli
