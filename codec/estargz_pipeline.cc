// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_pipeline.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "codec/estargz_footer.h"
#include "codec/estargz_toc.h"
#include "codec/sha256_many.h"
#include "codec/tar.h"

namespace lazybuild::codec {
namespace {

/// The TOC is digests for the most part, which no level makes small; and it is written when nothing
/// else is left to do.
constexpr int kTocLevelMax = kGzipLevelMax;
constexpr std::uint32_t kTocFileMode = 0644;

TarEntry toc_file(std::uint64_t size_bytes) {
    TarEntry file;
    file.entry.path = kTocName;
    file.entry.mode = kTocFileMode;
    file.entry.size_bytes = size_bytes;
    return file;
}

ByteView member_text(const EstargzBatch& batch, std::size_t member) {
    const std::size_t begin = batch.members[member];
    const std::size_t end =
        member + 1 < batch.members.size() ? batch.members[member + 1] : batch.text.size();
    return ByteView{batch.text}.subspan(begin, end - begin);
}

/// Goes on with the digest of the text where the batches ended.
class TextSink final : public ByteSink {
  public:
    TextSink(ByteSink& next, Sha256& digest, std::uint64_t& size_bytes)
        : next_(next), digest_(digest), size_bytes_(size_bytes) {}
    Result<void> write(ByteView bytes) override {
        digest_.update(bytes);
        size_bytes_ += bytes.size();
        return next_.write(bytes);
    }

  private:
    ByteSink& next_;
    Sha256& digest_;
    std::uint64_t& size_bytes_;
};

void digest_chunks(EstargzBatch& batch) {
    std::vector<ByteView> contents;
    contents.reserve(batch.chunks.size());
    for (const EstargzChunk& chunk : batch.chunks) {
        contents.push_back(ByteView{batch.text}.subspan(chunk.begin_bytes, chunk.size_bytes));
    }
    std::vector<Digest> digests(contents.size());
    sha256_each(contents, digests);
    for (std::size_t i = 0; i < digests.size(); ++i) {
        batch.chunks[i].digest = digests[i];
    }
}

}  // namespace

EstargzPipeline::EstargzPipeline(Options options, Workers& workers, ByteBudget& budget,
                                 ByteSink& out)
    : options_(options),
      workers_(workers),
      budget_(budget),
      blob_(&out),
      toc_(options.chunk_bytes),
      text_strand_(workers),
      source_strand_(workers) {}

EstargzPipeline::~EstargzPipeline() {
    {
        const std::lock_guard lock(mutex_);
        abandoned_ = true;
    }
    text_strand_.wait();
    source_strand_.wait();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return jobs_ == 0; });
    // Their deleter takes the lock.
    std::deque<Shared> rest = std::move(order_);
    lock.unlock();
}

bool EstargzPipeline::failed() {
    const std::lock_guard lock(mutex_);
    return abandoned_ || error_.has_value();
}

void EstargzPipeline::fail_with(Error error) {
    {
        const std::lock_guard lock(mutex_);
        if (!error_) {
            error_ = std::move(error);
        }
    }
    budget_.wake();
}

bool EstargzPipeline::may_push_now() {
    const std::lock_guard lock(mutex_);
    return error_ || in_flight_ == 0;
}

EstargzPipeline::Shared EstargzPipeline::account(std::unique_ptr<EstargzBatch> batch) {
    budget_.take(batch->text.size(), [this] { return !may_push_now(); });
    const std::lock_guard lock(mutex_);
    ++in_flight_;
    return Shared{batch.release(), [this](EstargzBatch* done) { release(done); }};
}

void EstargzPipeline::release(EstargzBatch* batch) {
    const std::uint64_t size_bytes = batch->text.size();
    std::default_delete<EstargzBatch>{}(batch);
    {
        const std::lock_guard lock(mutex_);
        --in_flight_;
    }
    budget_.give_back(size_bytes);
}

Result<void> EstargzPipeline::push(std::unique_ptr<EstargzBatch> batch) {
    Shared shared = account(std::move(batch));
    {
        const std::lock_guard lock(mutex_);
        if (error_) {
            return fail(*error_);
        }
    }
    if (options_.digest_source) {
        source_strand_.post([this, shared] {
            source_digest_.update(ByteView{shared->text}.subspan(shared->own_bytes));
        });
    }
    if (shared->members.empty()) {
        return {};
    }
    text_bytes_ += shared->text.size();
    text_strand_.post([this, shared] { text_digest_.update(shared->text); });
    {
        const std::lock_guard lock(mutex_);
        order_.push_back(shared);
        ++jobs_;
    }
    workers_.submit([this, shared = std::move(shared)]() mutable {
        pack(*shared);
        shared.reset();
        write_what_is_next();
        const std::lock_guard lock(mutex_);
        --jobs_;
        // Under the lock: the destructor may wait for this.
        changed_.notify_all();
    });
    return {};
}

std::unique_ptr<MemberCompressor> EstargzPipeline::borrow_compressor() {
    {
        const std::lock_guard lock(mutex_);
        if (!compressors_.empty()) {
            auto compressor = std::move(compressors_.back());
            compressors_.pop_back();
            return compressor;
        }
    }
    return std::make_unique<MemberCompressor>(options_.level);
}

void EstargzPipeline::pack(EstargzBatch& batch) {
    auto compressor = borrow_compressor();
    for (std::size_t member = 0; member < batch.members.size() && !failed(); ++member) {
        batch.packed_begin.push_back(batch.packed.size());
        compressor->append(member_text(batch, member), batch.packed);
    }
    if (!failed()) {
        digest_chunks(batch);
    }
    const std::lock_guard lock(mutex_);
    compressors_.push_back(std::move(compressor));
    batch.is_packed = true;
}

/// One worker at a time writes, for as long as there is something to write; the others go on
/// packing.
void EstargzPipeline::write_what_is_next() {
    {
        const std::lock_guard lock(mutex_);
        if (writing_) {
            return;
        }
        writing_ = true;
    }
    while (true) {
        Shared next;
        {
            const std::lock_guard lock(mutex_);
            if (abandoned_ || error_ || order_.empty() || !order_.front()->is_packed) {
                writing_ = false;
                return;
            }
            next = std::move(order_.front());
            order_.pop_front();
        }
        if (auto written = write(*next); !written) {
            fail_with(std::move(written).error());
        }
    }
}

Result<void> EstargzPipeline::write(EstargzBatch& batch) {
    const std::uint64_t blob_offset_bytes = blob_.size_bytes();
    CHECK_OK(blob_.write(batch.packed));
    return toc_.add(batch, blob_offset_bytes);
}

Result<void> EstargzPipeline::wait_for_all() {
    text_strand_.wait();
    source_strand_.wait();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return jobs_ == 0; });
    if (error_) {
        return fail(*error_);
    }
    ASSERT(order_.empty());
    return {};
}

Result<EstargzBlob> EstargzPipeline::finish() {
    CHECK_OK(wait_for_all());
    TRY(const EstargzTocBuilder::Totals toc, toc_.finish());
    const std::uint64_t toc_offset_bytes = blob_.size_bytes();
    GzipWriter gzip(blob_, std::min(options_.level, kTocLevelMax));
    TextSink text(gzip, text_digest_, text_bytes_);
    CHECK_OK(gzip.start_member());
    CHECK_OK(text.write(tar_header(toc_file(toc.size_bytes))));
    CHECK_OK(toc_.copy_to(text));
    CHECK_OK(text.write(tar_padding(toc.size_bytes)));
    CHECK_OK(text.write(tar_end()));
    CHECK_OK(gzip.end_member());
    CHECK_OK(blob_.write(estargz_footer(toc_offset_bytes)));
    return EstargzBlob{.blob = blob_.finish(),
                       .blob_size_bytes = blob_.size_bytes(),
                       .diff_id = text_digest_.finish(),
                       .uncompressed_size_bytes = text_bytes_,
                       .toc = toc.digest};
}

}  // namespace lazybuild::codec
