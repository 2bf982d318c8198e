// SPDX-License-Identifier: Apache-2.0
#include "builder/export/layer_blobs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/file.h"
#include "builder/export/base_blobs.h"
#include "builder/export/output_file.h"
#include "builder/export/parallel.h"
#include "builder/export/plain_blob.h"
#include "builder/image/patient_sink.h"
#include "codec/layer_format.h"
#include "codec/tree_digest.h"
#include "codec/tree_tar.h"

namespace lazybuild::exporter {
namespace {

/// Of tars on their way, all layers together.
constexpr std::uint64_t kBudgetBytesMax = 48 << 20;

std::string short_id(const codec::Digest& layer) {
    constexpr std::size_t kHexDigits = 12;
    return "layer " + layer.hex().substr(0, kHexDigits);
}

Result<LayerContent> content_of(layers::LayerPointer layer) {
    if (layer == nullptr) {
        return fail(Error{.code = std::errc::no_such_file_or_directory,
                          .message = "it is not in the store"});
    }
    return LayerContent::of(std::move(layer));
}

ImageLayer image_layer(const layers::LayerBlob& blob) {
    return {.descriptor = blob.descriptor,
            .diff_id = blob.diff_id,
            .from_base = blob.from_base,
            .compression = blob.compression,
            .level = blob.level};
}

}  // namespace

LayerBlobs::LayerBlobs(layers::LayerStore& store, image::Session& session, BlobOptions options)
    : store_(store), session_(session), options_(options), budget_(kBudgetBytesMax) {}

Result<std::optional<layers::LayerBlob>> LayerBlobs::base_blob(const codec::Digest& layer) {
    TRY(const auto blobs, store_.blobs(layer));
    for (const layers::LayerBlob& blob : blobs) {
        if (blob.from_base) {
            return blob;
        }
    }
    return std::nullopt;
}

// One that was written with the same options, and can still be had. Those of caches say how they
// were written or, found in an image, do not. Of a base's layer only one with the same tar will do:
// blobs are kept, too, that were made of its files.
Result<std::optional<layers::LayerBlob>> LayerBlobs::kept_blob(const Work& work) {
    TRY(const auto blobs, store_.blobs(work.id));
    std::optional<layers::LayerBlob> elsewhere;
    for (const layers::LayerBlob& blob : blobs) {
        const bool level_fits = blob.level == options_.level || (blob.imported && blob.level < 0);
        const bool tar_fits = !work.base || blob.diff_id == work.base->diff_id;
        if (blob.from_base || blob.compression != options_.compression || !level_fits ||
            !tar_fits) {
            continue;
        }
        if (store_.blob_path(blob.descriptor.digest)) {
            return blob;
        }
        const bool complete = blob.imported && blob.diff_id != codec::Digest{};
        if (complete && !elsewhere && !work.here) {
            elsewhere = blob;
        }
    }
    return elsewhere;
}

// A base's own, unless another compression is insisted on; else a kept one.
Result<void> LayerBlobs::find_known_blob(Work& work) {
    TRY(std::optional<layers::LayerBlob> base, base_blob(work.id));
    const bool other = base && base->compression != options_.compression;
    if (base && !(options_.force && other)) {
        work.blob = std::move(base);
        return {};
    }
    if (base && options_.compression != layers::Compression::estargz) {
        work.base = std::move(base);
    }
    TRY(work.blob, kept_blob(work));
    return {};
}

Result<layers::LayerPointer> LayerBlobs::layer_of(const BuiltImage& image,
                                                  const codec::Digest& layer) {
    const std::lock_guard lock(mutex_);
    if (!snapshot_) {
        TRY(snapshot_, image.open());
    }
    const auto place = std::ranges::find_if(
        snapshot_->layers, [&layer](const auto& each) { return each->id() == layer; });
    return place == snapshot_->layers.end() ? nullptr : *place;
}

// Layers that are not to be what they are: their blobs go by what will be in them.
Result<std::vector<LayerBlobs::Work>> LayerBlobs::change_contents(const BuiltImage& image,
                                                                  std::vector<Work> plan) {
    std::vector<Work> changed;
    std::vector<LayerContent> contents;
    for (Work& work : plan) {
        if (work.blob) {
            changed.push_back(std::move(work));
            continue;
        }
        TRY(layers::LayerPointer layer, layer_of(image, work.id));
        TRY(LayerContent content, content_of(std::move(layer)));
        contents.push_back(options_.latest_s ? clamp_times(content, *options_.latest_s)
                                             : std::move(content));
    }
    if (options_.squash && contents.size() > 1) {
        TRY(LayerContent one, squash(contents));
        contents = {std::move(one)};
    }
    for (LayerContent& content : contents) {
        const std::optional<codec::Digest> id = codec::tree_digest(*content.tree);
        if (!id) {
            return fail(invalid("a layer whose files are not cut as those of steps' layers are"));
        }
        changed.push_back({.id = *id, .blob = {}, .content = content, .base = {}});
    }
    return changed;
}

Result<std::vector<LayerBlobs::Work>> LayerBlobs::plan(const BuiltImage& image) {
    std::vector<Work> plan;
    for (const codec::Digest& id : image.layer_ids) {
        Work work{.id = id, .blob = {}, .content = {}, .base = {}};
        TRY(work.blob, base_blob(id));
        plan.push_back(std::move(work));
    }
    if (options_.latest_s || options_.squash) {
        TRY(plan, change_contents(image, std::move(plan)));
    }
    for (Work& work : plan) {
        if (work.content) {
            TRY(work.blob, kept_blob(work));
        } else {
            CHECK_OK(find_known_blob(work));
        }
    }
    return plan;
}

Result<layers::LayerBlob> LayerBlobs::write_estargz(const LayerContent& content, ByteSink& out) {
    const codec::LayerFormat* const format = codec::find_layer_format("estargz");
    ASSERT(format != nullptr && format->writer != nullptr);
    const codec::LayerOptions options{.level = options_.level, .digest_source = false};
    const auto stream = format->writer->stream(options, *workers_, budget_, out);
    CHECK_OK(codec::write_tree_tar(*content.tree, content.read, {}, *stream));
    TRY(const codec::WrittenLayer made, stream->finish());
    return layers::LayerBlob{.descriptor = format->writer->describe({}, made),
                             .diff_id = made.diff_id,
                             .compression = options_.compression,
                             .level = options_.level};
}

Result<layers::LayerBlob> LayerBlobs::write_plain(const Work& work, ByteSink& out) {
    auto write_tar = [this, &work](ByteSink& tar) -> Result<void> {
        if (work.base) {
            return copy_tar(store_, session_, work.base->descriptor, tar);
        }
        return codec::write_tree_tar(*work.content->tree, work.content->read, {}, tar);
    };
    TRY(layers::LayerBlob blob,
        write_plain_blob(options_.compression, options_.level, *workers_, out, write_tar));
    if (work.base && blob.diff_id != work.base->diff_id) {
        return fail(corrupt(fmt::format(
            "the tar in blob {} of its base has the diffID {}, the "
            "config says {}",
            work.base->descriptor.digest.text(), blob.diff_id.text(), work.base->diff_id.text())));
    }
    return blob;
}

// The path of a new file.
Result<std::string> LayerBlobs::prepare_to_write() {
    const std::lock_guard lock(mutex_);
    if (!workers_) {
        TRY(directory_, store_.build_directory());
        workers_.emplace(static_cast<unsigned>(session_.jobs()));
    }
    return staging_path(directory_);
}

Result<layers::LayerBlob> LayerBlobs::write(const Work& work) {
    TRY(const std::string path, prepare_to_write());
    TRY(const Fd file, open_file(path, O_RDWR | O_CREAT | O_TRUNC));
    FdSink file_sink{file.get()};
    image::PatientSink sink{file_sink, session_};
    const bool indexed = options_.compression == layers::Compression::estargz;
    TRY(layers::LayerBlob blob,
        indexed ? write_estargz(*work.content, sink) : write_plain(work, sink));
    CHECK_OK(store_.keep_blob(blob.descriptor.digest, path));
    return blob;
}

Result<void> LayerBlobs::finish(Work& work, const Open& open) {
    if (work.blob) {
        return {};
    }
    const BlobFlights::Turn turn{options_.flights, {work.id, options_.compression, options_.level}};
    TRY(work.blob, kept_blob(work));  // of somebody who was quicker
    if (work.blob) {
        return {};
    }
    if (!work.content && !work.base) {
        TRY(layers::LayerPointer layer, open(work.id));
        TRY(work.content, content_of(std::move(layer)));
    }
    TRY(work.blob, write(work));
    work.content.reset();
    return store_.add_blob(work.id, *work.blob);
}

// What a cache was said to have may be gone: then the layer is opened, wherever that is possible,
// and written again.
Result<void> LayerBlobs::finish_and_tell(Work& work, const Open& open, const Tell& tell) {
    CHECK_OK(finish(work, open));
    auto told = tell(image_layer(*work.blob));
    const bool of_a_cache = work.blob->imported && !store_.blob_path(work.blob->descriptor.digest);
    if (told || !of_a_cache || told.error().code == std::errc::operation_canceled) {
        return told;
    }
    work.blob.reset();
    work.here = true;
    if (auto written = finish(work, open); !written) {
        return fail(std::move(told).error().context(written.error().message));
    }
    return tell(image_layer(*work.blob));
}

Result<ImageLayer> LayerBlobs::one(const codec::Digest& id, const Open& open, const Tell& tell) {
    Work work{.id = id, .blob = {}, .content = {}, .base = {}};
    CHECK_OK(find_known_blob(work));
    CHECK_OK(finish_and_tell(work, open, tell));
    return image_layer(*work.blob);
}

Result<std::vector<Result<ImageLayer>>> LayerBlobs::each(const std::vector<codec::Digest>& ids,
                                                         const Open& open, const ReadyOne& ready) {
    std::vector<Result<ImageLayer>> layers(ids.size());
    auto process = [&](std::size_t i) -> Result<void> {
        layers[i] =
            one(ids[i], open, [&ready, i](const ImageLayer& layer) { return ready(i, layer); });
        if (!layers[i]) {
            layers[i] = fail(std::move(layers[i]).error().context(short_id(ids[i])));
            if (layers[i].error().code == std::errc::operation_canceled) {
                return fail(layers[i].error());
            }
        }
        return {};
    };
    CHECK_OK(run_parallel(ids.size(), parallel_threads(session_), process));
    return layers;
}

Result<std::vector<ImageLayer>> LayerBlobs::of(const BuiltImage& image, const Ready& ready) {
    snapshot_.reset();
    TRY(std::vector<Work> works, plan(image));
    // A layer that comes twice is written once, and what nobody waits for needs no thread.
    std::map<codec::Digest, std::size_t> first;
    std::vector<std::size_t> todo;
    for (std::size_t i = 0; i < works.size(); ++i) {
        if (first.emplace(works[i].id, i).second && (ready || !works[i].blob)) {
            todo.push_back(i);
        }
    }
    const Open open = [this, &image](const codec::Digest& id) { return layer_of(image, id); };
    auto process = [&](std::size_t i) -> Result<void> {
        Work& work = works[todo[i]];
        auto finished = ready ? finish_and_tell(work, open, ready) : finish(work, open);
        if (!finished) {
            return fail(std::move(finished).error().context(short_id(work.id)));
        }
        return {};
    };
    CHECK_OK(run_parallel(todo.size(), parallel_threads(session_), process));
    std::vector<ImageLayer> layers;
    for (const Work& work : works) {
        layers.push_back(image_layer(*works[first.at(work.id)].blob));
    }
    return layers;
}

}  // namespace lazybuild::exporter
