// SPDX-License-Identifier: Apache-2.0
// An eStargz layer from a tar that is seen once. That works as long as every entry goes where it
// stands: nearly always, and when it does not, the caller is told and begins again with the tar in
// a file. Of the paths only hashes are kept; should two be equal, that way is taken once too often.
#include <fmt/format.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <string_view>
#include <utility>

#include "codec/estargz_cutter.h"
#include "codec/estargz_order.h"
#include "codec/estargz_pipeline.h"
#include "codec/estargz_toc.h"
#include "codec/estargz_writer.h"
#include "codec/tar_stream.h"
#include "codec/xattrs.h"

namespace lazybuild::codec {

class EstargzStream::Visitor final : public TarVisitor {
  public:
    Visitor(const EstargzOptions& options, Workers& workers, ByteBudget& budget, ByteSink& out);

    Result<void> entry(TarEntry entry, ByteView header) override;
    Result<void> payload(ByteView bytes) override { return cutter_.payload(bytes); }
    Result<void> padding(ByteView bytes) override;
    Result<void> other(ByteView bytes) override;

    Result<void> push(ByteView bytes) {
        CHECK_OK(begin());
        return tar_.push(bytes);
    }
    Result<EstargzResult> finish();
    bool out_of_order() const { return out_of_order_; }
    Digest source_digest() { return pipeline_.source_digest(); }

  private:
    Result<void> begin();
    Result<void> check_place(const LayerEntry& entry);
    Result<void> push_other();
    std::unexpected<Error> cannot_stream(std::string_view why);

    EstargzPipeline pipeline_;
    EstargzCutter cutter_;
    TarStream tar_;
    boost::unordered_flat_map<std::size_t, bool> directory_by_path_hash_;
    std::uint64_t text_bytes_ = 0;     // of names, as kLayerTextBytesMax counts them
    std::uint64_t padding_bytes_ = 0;  // still to come
    Bytes other_;                      // that was not pushed yet
    bool begun_ = false;
    bool other_seen_ = false;
    bool out_of_order_ = false;
};

EstargzStream::Visitor::Visitor(const EstargzOptions& options, Workers& workers, ByteBudget& budget,
                                ByteSink& out)
    : pipeline_({.level = options.level,
                 .chunk_bytes = options.chunk_size_bytes,
                 .digest_source = options.digest_source},
                workers, budget, out),
      cutter_(
          {.chunk_bytes = options.chunk_size_bytes,
           .member_bytes_min = options.min_chunk_size_bytes},
          [this](std::unique_ptr<EstargzBatch> batch) { return pipeline_.push(std::move(batch)); }),
      tar_(*this) {}

Result<void> EstargzStream::Visitor::begin() {
    return std::exchange(begun_, true) ? Result<void>{} : cutter_.landmark(false);
}

std::unexpected<Error> EstargzStream::Visitor::cannot_stream(std::string_view why) {
    out_of_order_ = true;
    return fail(Error{.code = std::errc::not_supported, .message = std::string{why}});
}

Result<void> EstargzStream::Visitor::check_place(const LayerEntry& entry) {
    TRY(const std::string path, clean_path(entry.path));
    if (is_estargz_own(path)) {
        return cannot_stream("the tar has files of an eStargz layer");
    }
    const std::hash<std::string_view> hash;
    if (entry.kind == LayerEntry::Kind::hardlink) {
        TRY(const std::string target, clean_path(entry.link_target));
        const auto found = directory_by_path_hash_.find(hash(target));
        if (found == directory_by_path_hash_.end() || found->second) {
            return cannot_stream("a hard link stands before its target");
        }
    }
    const bool is_directory =
        entry.kind == LayerEntry::Kind::file && entry.type == FileType::directory;
    if (!directory_by_path_hash_.try_emplace(hash(path), is_directory).second) {
        return cannot_stream("a path comes twice");
    }
    return {};
}

Result<void> EstargzStream::Visitor::entry(TarEntry entry, ByteView header) {
    if (other_seen_) {
        return cannot_stream("the tar has global headers");
    }
    text_bytes_ += codec::text_bytes(entry.entry);
    if (directory_by_path_hash_.size() == kLayerEntriesMax || text_bytes_ > kLayerTextBytesMax) {
        return fail(over_limit(fmt::format("more than {} entries or {} bytes of their names",
                                           kLayerEntriesMax, kLayerTextBytesMax)));
    }
    CHECK_OK(check_place(entry.entry));
    padding_bytes_ = tar_padding(entry.entry.size_bytes).size();
    return cutter_.begin_entry(entry, header);
}

/// The cutter pads with zeros.
Result<void> EstargzStream::Visitor::padding(ByteView bytes) {
    if (std::ranges::any_of(bytes, [](std::byte byte) { return byte != std::byte{0}; })) {
        return cannot_stream("the tar is not padded with zeros");
    }
    padding_bytes_ -= bytes.size();
    return {};
}

/// Only the digest of the source wants to know of these.
Result<void> EstargzStream::Visitor::other(ByteView bytes) {
    constexpr std::size_t kOtherBytes = 256 << 10;
    other_seen_ = other_seen_ || !bytes.empty();
    other_.insert(other_.end(), bytes.begin(), bytes.end());
    return other_.size() < kOtherBytes ? Result<void>{} : push_other();
}

Result<void> EstargzStream::Visitor::push_other() {
    CHECK_OK(cutter_.finish());
    auto batch = std::make_unique<EstargzBatch>();
    batch->text = std::exchange(other_, {});
    return pipeline_.push(std::move(batch));
}

Result<EstargzResult> EstargzStream::Visitor::finish() {
    CHECK_OK(begin());
    CHECK_OK(tar_.finish());
    if (padding_bytes_ > 0) {
        return cannot_stream("the tar ends in the padding of a file");
    }
    CHECK_OK(push_other());
    TRY(const EstargzBlob made, pipeline_.finish());
    return EstargzResult{.blob = made.blob,
                         .blob_size_bytes = made.blob_size_bytes,
                         .diff_id = made.diff_id,
                         .uncompressed_size_bytes = made.uncompressed_size_bytes,
                         .toc = made.toc,
                         .prioritized_missing = {}};
}

EstargzStream::EstargzStream(const EstargzOptions& options, Workers& workers, ByteBudget& budget,
                             ByteSink& out)
    : visitor_(std::make_unique<Visitor>(options, workers, budget, out)) {
    ASSERT(check_options(options) && options.prioritized.empty());
}
EstargzStream::~EstargzStream() = default;

Result<void> EstargzStream::write(ByteView bytes) {
    Result<void> written = visitor_->push(bytes);
    failure_ = written ? std::errc{} : written.error().code;
    return written;
}

Result<EstargzResult> EstargzStream::finish() {
    Result<EstargzResult> result = visitor_->finish();
    failure_ = result ? std::errc{} : result.error().code;
    return result;
}

bool EstargzStream::out_of_order() const {
    return visitor_->out_of_order();
}

Digest EstargzStream::source_digest() {
    return visitor_->source_digest();
}

}  // namespace lazybuild::codec
