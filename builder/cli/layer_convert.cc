// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/layer_convert.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "builder/cli/layer_format.h"
#include "builder/cli/layer_unpack.h"
#include "builder/cli/work.h"
#include "codec/chain_tree.h"
#include "codec/estargz_footer.h"
#include "codec/estargz_toc.h"
#include "codec/media_type.h"

namespace lazybuild::cli {
namespace {

// Gathers small writes, and ends a long computation when the user wants it to end.
class PatientSink final : public ByteSink {
  public:
    PatientSink(int fd, io::CancelToken cancel) : file_(fd), cancel_(std::move(cancel)) {
        buffer_.reserve(kBufferBytes);
    }

    Result<void> write(ByteView bytes) override {
        if (buffer_.size() + bytes.size() > kBufferBytes) {
            CHECK_OK(flush());
        }
        if (bytes.size() >= kBufferBytes) {
            return file_.write(bytes);
        }
        buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
        return {};
    }

    Result<void> flush() {
        if (cancel_.cancelled()) {
            return fail(Error{.code = std::errc::operation_canceled, .message = "cancelled"});
        }
        CHECK_OK(file_.write(buffer_));
        buffer_.clear();
        return {};
    }

  private:
    static constexpr std::size_t kBufferBytes = 1 << 20;
    FdSink file_;
    io::CancelToken cancel_;
    Bytes buffer_;
};

codec::Descriptor estargz_descriptor(const codec::Descriptor& layer,
                                     const codec::EstargzResult& made) {
    codec::Descriptor descriptor = layer.with_content(std::string{codec::media_type::kOciLayerGzip},
                                                      made.blob, made.blob_size_bytes);
    descriptor.annotations[std::string{kTocDigestAnnotation}] = made.toc.text();
    descriptor.annotations[std::string{kUncompressedSizeAnnotation}] =
        std::to_string(made.uncompressed_size_bytes);
    return descriptor;
}

// What was written, read as a snapshotter will: a layer whose mount would not be what an unpack
// gives must not be passed off as one that can be mounted.
Result<std::string> why_not_lazy_of(const codec::EstargzResult& made, int blob) {
    TRY(const FdAccess access, FdAccess::open(blob));
    Bytes tail(codec::kEstargzFooterBytesMax);
    CHECK_OK(access.read_at(made.blob_size_bytes - tail.size(), tail));
    TRY(const auto footer, codec::find_estargz_footer(tail));
    ASSERT(footer.has_value());
    Bytes members(made.blob_size_bytes - tail.size() - footer->toc_offset_bytes);
    CHECK_OK(access.read_at(footer->toc_offset_bytes, members));
    const auto toc = codec::read_toc(members, footer->toc_offset_bytes, made.toc);
    if (!toc) {
        return toc.error().message;
    }
    if (const auto why = codec::why_inexact(toc->tree)) {
        return *why;
    }
    // As a first layer it could not be mounted, and where it will lie is not known here.
    codec::FileTree tree = toc->tree;
    if (auto first = codec::make_first_layer(tree); !first) {
        return first.error().message;
    }
    return std::string{};
}

}  // namespace

LayerConverter::LayerConverter(Session& session, ImageSource& source, ImageTarget& target,
                               codec::EstargzOptions options)
    : session_(session), source_(source), target_(target), options_(std::move(options)) {}

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
        co_return fail(corrupt(
            fmt::format("layer {}: its tar has the diffID {}, the config says {}",
                        layer.digest.text(), outcome->source_diff_id.text(), diff_id.text())));
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
    if (*compression == codec::Compression::zstd) {
        co_return fail(Error{.code = std::errc::not_supported,
                             .message = "it is compressed with zstd, which cannot be read yet"});
    }
    const bool passed = co_await io::or_return(co_await pass_through(layer));
    if (passed) {
        layer.media_type = codec::oci_equivalent(layer.media_type);
        co_return Outcome{.layer = {.descriptor = std::move(layer), .diff_id = diff_id},
                          .source_diff_id = diff_id};
    }
    co_return co_await rewrite(std::move(layer));
}

// A layer that is eStargz already is taken as it is, unless its files are wanted in another order.
io::Task<Result<bool>> LayerConverter::pass_through(codec::Descriptor layer) {
    const bool annotated = layer.annotations.contains(std::string{kTocDigestAnnotation});
    if (!annotated || !options_.prioritized.empty()) {
        co_return false;
    }
    const LayerInspection inspection =
        co_await io::or_return(co_await inspect_layer(source_, layer, session_.wait()));
    if (!inspection.lazy) {
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
    session_.console().note(fmt::format("{}  {:>9}  is eStargz already, {}",
                                        short_digest(layer.digest), size_text(layer.size_bytes),
                                        outcome == BlobOutcome::copied ? "copied" : "kept"));
    co_return true;
}

io::Task<Result<LayerConverter::Outcome>> LayerConverter::rewrite(codec::Descriptor layer) {
    const auto begin = std::chrono::steady_clock::now();
    SpoolFile tar = co_await io::or_return(SpoolFile::create(session_.temporary_directory()));
    FdSink tar_sink{tar.fd()};
    LayerUnpacker unpacker{tar_sink};
    co_await io::or_return(
        co_await stream_blob(session_, source_, layer, unpacker, session_.wait()));
    const codec::Digest source_diff_id = co_await io::or_return(unpacker.finish());

    SpoolFile blob = co_await io::or_return(target_.begin_blob());
    const int tar_fd = tar.fd();
    const int blob_fd = blob.fd();
    auto job = [this, tar_fd, blob_fd] { return write(tar_fd, blob_fd); };
    const Written written = co_await io::or_return(
        co_await io::run_on(session_.pool(), session_.reactor(), std::move(job)));
    const codec::EstargzResult& made = written.blob;
    ++rewritten_;
    for (const std::string& path : made.prioritized_missing) {
        ++missing_[path];
    }
    if (!written.why_not_lazy.empty()) {
        co_return co_await keep_as_it_is(std::move(layer), source_diff_id, written.why_not_lazy);
    }
    codec::Descriptor descriptor = estargz_descriptor(layer, made);
    co_await io::or_return(co_await target_.put_blob(descriptor, std::move(blob), session_.wait()));

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
    session_.console().note(fmt::format("warning: {}: left as it is, and not lazy: {}",
                                        short_digest(layer.digest), why));
    layer.media_type = codec::oci_equivalent(layer.media_type);
    co_return Outcome{.layer = {.descriptor = std::move(layer), .diff_id = diff_id},
                      .source_diff_id = diff_id};
}

Result<LayerConverter::Written> LayerConverter::write(int tar, int blob) const {
    TRY(const FdAccess access, FdAccess::open(tar));
    PatientSink sink{blob, session_.wait().cancel};
    auto written = codec::write_estargz(access, options_, sink);
    if (!written && written.error().code == std::errc::not_supported) {
        return Written{.blob = {}, .why_not_lazy = std::move(written).error().message};
    }
    TRY(codec::EstargzResult made, std::move(written));
    CHECK_OK(sink.flush());
    TRY(std::string why_not_lazy, why_not_lazy_of(made, blob));
    return Written{.blob = std::move(made), .why_not_lazy = std::move(why_not_lazy)};
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

}  // namespace lazybuild::cli
