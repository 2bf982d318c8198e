// SPDX-License-Identifier: Apache-2.0
#include "builder/image/layer_convert.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "builder/image/layer_inspection.h"
#include "builder/image/patient_sink.h"
#include "builder/image/work.h"
#include "codec/chain_tree.h"
#include "codec/digest_sink.h"
#include "codec/layer_unpack.h"
#include "codec/media_type.h"

namespace lazybuild::image {
namespace {

/// Of tars that are being converted, all layers together.
constexpr std::uint64_t kBudgetBytesMax = 48 << 20;

// Two chunks for each thread and for the one that feeds them are enough to keep them busy.
std::uint64_t budget_bytes(std::size_t jobs, std::uint64_t chunk_size_bytes) {
    constexpr std::uint64_t kChunkBytesMin = 1 << 20;
    return std::min(2 * (jobs + 1) * std::max(chunk_size_bytes, kChunkBytesMin), kBudgetBytesMax);
}

// A layer in work holds a chunk beside those that the budget counts, and its compressed form.
std::size_t layers_at_once(std::size_t jobs, std::uint64_t chunk_size_bytes) {
    constexpr std::uint64_t kCopies = 3;
    return static_cast<std::size_t>(
        std::clamp<std::uint64_t>(kBudgetBytesMax / (kCopies * chunk_size_bytes), 1, jobs));
}

// A layer with what no table of contents can say, or with too much of it, is still a layer.
bool is_beyond_the_format(std::errc failure) {
    return failure == std::errc::not_supported || failure == std::errc::argument_out_of_domain;
}

Error other_diff_id(const codec::Digest& found, const codec::Digest& claimed) {
    return corrupt(
        fmt::format("its tar has the diffID {}, the config says {}", found.text(), claimed.text()));
}

// What was written, read as a snapshotter will: a layer whose mount would not be what an unpack
// gives must not be passed off as one that can be mounted.
Result<std::string> why_not_lazy_of(const codec::LayerFormat& format,
                                    const codec::WrittenLayer& made, int blob) {
    // The index of a large layer takes as much memory as its conversion did: what that has freed
    // goes back first.
    ::malloc_trim(0);
    TRY(const FdAccess access, FdAccess::open(blob));
    Bytes tail(format.tail_bytes);
    CHECK_OK(access.read_at(made.blob_size_bytes - tail.size(), tail));
    TRY(const auto place, format.find_index(tail, made.blob_size_bytes));
    ASSERT(place.has_value());
    Bytes index(place->size_bytes);
    CHECK_OK(access.read_at(place->offset_bytes, index));
    auto toc = format.read_toc(index, *place, made.toc);
    if (!toc) {
        return toc.error().message;
    }
    if (const auto why = codec::why_inexact(toc->tree)) {
        return *why;
    }
    // As a first layer it could not be mounted, and where it will lie is not known here.
    codec::FileTree tree = std::move(toc->tree);
    if (auto first = codec::make_first_layer(tree); !first) {
        return first.error().message;
    }
    return std::string{};
}

}  // namespace

LayerConverter::LayerConverter(Session& session, ImageSource& source, ImageTarget& target,
                               const codec::LayerFormat& format, codec::LayerOptions options)
    : session_(session),
      source_(source),
      target_(target),
      format_(format),
      options_(std::move(options)),
      budget_(budget_bytes(session.jobs(), options_.chunk_size_bytes)),
      layers_at_once_(session.reactor(), layers_at_once(session.jobs(), options_.chunk_size_bytes)),
      workers_(static_cast<unsigned>(session.jobs())) {}

io::Task<Result<ConvertedLayer>> LayerConverter::convert(codec::Descriptor layer,
                                                         codec::Digest diff_id) {
    auto known = layers_.find(layer.digest);
    if (known == layers_.end()) {
        auto started = io::Shared<Outcome>::start(session_.reactor(), convert_once(layer, diff_id));
        known = layers_.emplace(layer.digest, std::move(started)).first;
    }
    const io::Shared<Outcome> conversion = known->second;
    auto outcome = co_await conversion.result();
    if (!outcome) {
        co_return fail(std::move(outcome).error().context("layer " + layer.digest.text()));
    }
    if (outcome->source_diff_id != diff_id) {
        co_return fail(other_diff_id(outcome->source_diff_id, diff_id)
                           .context("layer " + layer.digest.text()));
    }
    co_return std::move(outcome->layer);
}

io::Task<Result<LayerConverter::Outcome>> LayerConverter::convert_once(codec::Descriptor layer,
                                                                       codec::Digest diff_id) {
    const auto compression = codec::layer_compression(layer.media_type);
    if (!compression) {
        co_return fail(Error{
            .code = std::errc::not_supported,
            .message = fmt::format("\"{}\" is no type of layer that is known", layer.media_type)});
    }
    const bool passed = co_await io::or_return(co_await pass_through(layer));
    if (passed) {
        layer.media_type = codec::oci_equivalent(layer.media_type);
        co_return Outcome{.layer = {.descriptor = std::move(layer), .diff_id = diff_id},
                          .source_diff_id = diff_id};
    }
    co_return co_await rewrite(std::move(layer), diff_id);
}

// A layer that has the format already is taken as it is, unless its files are wanted in another
// order.
io::Task<Result<bool>> LayerConverter::pass_through(codec::Descriptor layer) {
    const bool annotated = layer.annotations.contains(std::string{format_.toc_annotation});
    if (!annotated || !options_.prioritized.empty()) {
        co_return false;
    }
    const LayerInspection inspection =
        co_await io::or_return(co_await inspect_layer(source_, layer, session_.wait()));
    if (!inspection.lazy || inspection.indexed != &format_) {
        co_return false;
    }
    const Result<codec::Toc> toc =
        co_await read_toc(session_, source_, layer, inspection, session_.wait());
    if (!toc) {
        if (toc.error().code == std::errc::operation_canceled) {
            co_return fail(toc.error());
        }
        session_.console().note(
            fmt::format("{}  made anew: {}", short_digest(layer.digest), toc.error().message));
        co_return false;
    }
    const BlobOutcome outcome =
        co_await io::or_return(co_await target_.copy_blob(source_, layer, session_.wait()));
    session_.console().note(fmt::format("{}  {:>9}  is {} already, {}", short_digest(layer.digest),
                                        size_text(layer.size_bytes), format_.title,
                                        outcome == BlobOutcome::copied ? "copied" : "kept"));
    co_return true;
}

// nullopt: its files have to change places.
io::Task<Result<std::optional<LayerConverter::Written>>> LayerConverter::write_in_one_go(
    codec::Descriptor layer) {
    SpoolFile blob = co_await io::or_return(target_.begin_blob());
    FdSink file{blob.fd()};
    PatientSink sink{file, session_};
    const std::unique_ptr<codec::LayerStream> stream =
        format_.writer->stream(options_, workers_, budget_, sink);
    codec::LayerUnpacker unpacker{*stream};
    const Result<void> pumped =
        co_await stream_blob(session_, source_, layer, unpacker, session_.wait());
    auto finish = [&pumped, &unpacker, &stream]() -> Result<codec::WrittenLayer> {
        CHECK_OK(pumped);
        CHECK_OK(unpacker.finish());
        return stream->finish();
    };
    auto made = co_await io::run_on(session_.pool(), session_.reactor(), std::move(finish));
    if (stream->out_of_order()) {
        co_return std::nullopt;
    }
    if (!made && is_beyond_the_format(stream->failure())) {
        co_return Written{.file = std::move(blob), .why_not_lazy = std::move(made).error().message};
    }
    if (!made) {
        co_return fail(std::move(made).error());
    }
    const codec::Digest source_diff_id = stream->source_digest();
    co_return Written{
        .file = std::move(blob), .blob = *std::move(made), .source_diff_id = source_diff_id};
}

io::Task<Result<LayerConverter::Written>> LayerConverter::write_in_new_order(
    codec::Descriptor layer) {
    SpoolFile tar = co_await io::or_return(SpoolFile::create(session_.temporary_directory()));
    FdSink tar_file{tar.fd()};
    PatientSink tar_sink{tar_file, session_};
    codec::DigestSink tar_digest{&tar_sink};
    codec::LayerUnpacker unpacker{tar_digest};
    co_await io::or_return(
        co_await stream_blob(session_, source_, layer, unpacker, session_.wait()));
    co_await io::or_return(unpacker.finish());

    SpoolFile blob = co_await io::or_return(target_.begin_blob());
    FdSink file{blob.fd()};
    PatientSink sink{file, session_};
    auto job = [this, &tar, &sink]() -> Result<codec::WrittenLayer> {
        TRY(const FdAccess access, FdAccess::open(tar.fd()));
        return format_.writer->write(access, options_, workers_, budget_, sink);
    };
    codec::WrittenLayer made = co_await io::or_return(
        co_await io::run_on(session_.pool(), session_.reactor(), std::move(job)));
    co_return Written{
        .file = std::move(blob), .blob = std::move(made), .source_diff_id = tar_digest.finish()};
}

io::Task<Result<LayerConverter::Outcome>> LayerConverter::rewrite(codec::Descriptor layer,
                                                                  codec::Digest diff_id) {
    const io::Permit permit =
        co_await io::or_return(co_await layers_at_once_.acquire(session_.wait()));
    const auto begin = std::chrono::steady_clock::now();
    std::optional<Written> written;
    if (options_.prioritized.empty()) {
        written = co_await io::or_return(co_await write_in_one_go(layer));
    }
    if (!written) {
        written = co_await io::or_return(co_await write_in_new_order(layer));
    }
    if (!written->why_not_lazy.empty()) {
        co_return co_await keep_as_it_is(std::move(layer), diff_id, written->why_not_lazy);
    }
    const codec::WrittenLayer& made = written->blob;
    const codec::Digest source_diff_id = written->source_diff_id;
    if (source_diff_id != diff_id) {
        co_return fail(other_diff_id(source_diff_id, diff_id));
    }
    ++rewritten_;
    for (const std::string& path : made.prioritized_missing) {
        ++missing_[path];
    }
    const int blob_fd = written->file.fd();
    auto check = [this, &made, blob_fd] {
        const std::lock_guard one_at_a_time{check_mutex_};
        return why_not_lazy_of(format_, made, blob_fd);
    };
    const std::string why_not_lazy = co_await io::or_return(
        co_await io::run_on(session_.pool(), session_.reactor(), std::move(check)));
    if (!why_not_lazy.empty()) {
        co_return co_await keep_as_it_is(std::move(layer), source_diff_id, why_not_lazy);
    }
    codec::Descriptor descriptor = format_.writer->describe(layer, made);
    co_await io::or_return(
        co_await target_.put_blob(descriptor, std::move(written->file), session_.wait()));

    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    session_.console().note(fmt::format(
        "{}  {:>9} → {:>9}  {}  {:.1f} s", short_digest(layer.digest), size_text(layer.size_bytes),
        size_text(made.blob_size_bytes), short_digest(made.blob), took.count()));
    co_return Outcome{.layer = {.descriptor = std::move(descriptor), .diff_id = made.diff_id},
                      .source_diff_id = source_diff_id};
}

// The layer as it was is pulled in full, and right.
io::Task<Result<LayerConverter::Outcome>> LayerConverter::keep_as_it_is(codec::Descriptor layer,
                                                                        codec::Digest diff_id,
                                                                        std::string why) {
    co_await io::or_return(co_await target_.copy_blob(source_, layer, session_.wait()));
    session_.console().warn(
        fmt::format("{}: left as it is, and not lazy: {}", short_digest(layer.digest), why));
    layer.media_type = codec::oci_equivalent(layer.media_type);
    co_return Outcome{.layer = {.descriptor = std::move(layer), .diff_id = diff_id},
                      .source_diff_id = diff_id};
}

std::vector<std::string> LayerConverter::prioritized_nowhere() const {
    std::vector<std::string> paths;
    for (const auto& [path, layers] : missing_) {
        if (layers == rewritten_) {
            paths.push_back(path);
        }
    }
    return paths;
}

}  // namespace lazybuild::image
