// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/layer_verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/assert.h"
#include "codec/layer_unpack.h"

namespace lazybuild::cli {
namespace {

// Of files whose chunks are scattered over the blob; more at a time is an attack on memory.
constexpr std::size_t kOpenFilesMax = 4096;
constexpr std::uint64_t kNowhere = std::numeric_limits<std::uint64_t>::max();

class DigestSink final : public ByteSink {
  public:
    Result<void> write(ByteView bytes) override {
        digest_.update(bytes);
        return {};
    }
    codec::Digest finish() { return digest_.finish(); }

  private:
    codec::Sha256 digest_;
};

}  // namespace

void Findings::add(std::string line) {
    if (++count_ <= kLinesMax) {
        lines_.push_back(std::move(line));
    }
}

std::vector<std::string> Findings::lines() const {
    std::vector<std::string> lines = lines_;
    if (count_ > lines.size()) {
        lines.push_back(fmt::format("and {} more", count_ - lines.size()));
    }
    return lines;
}

// What the members give.
class LayerVerifier::TarSink final : public ByteSink {
  public:
    explicit TarSink(LayerVerifier& verifier) : verifier_(verifier) {}
    Result<void> write(ByteView bytes) override {
        verifier_.diff_id_.update(bytes);
        return verifier_.walk_.take(bytes);
    }

  private:
    LayerVerifier& verifier_;
};

LayerVerifier::LayerVerifier(const codec::LayerFormat& format, codec::TocClaims claims,
                             std::uint64_t toc_offset_bytes, Findings& findings)
    : format_(format),
      claims_(std::move(claims)),
      toc_offset_bytes_(toc_offset_bytes),
      findings_(findings),
      walk_(
          claims_.chunks.size(), [this](std::size_t chunk) { return claims_.chunks[chunk].place; },
          *this) {
    check_empty_files();
}

LayerVerifier::~LayerVerifier() = default;

// Their bytes never come by.
void LayerVerifier::check_empty_files() {
    const codec::Digest nothing = codec::sha256({});
    for (const codec::ClaimedFile& file : claims_.files) {
        if (file.size_bytes == 0 && file.digest && *file.digest != nothing) {
            findings_.add(fmt::format("{}: it is empty, and the TOC says {}", file.path,
                                      file.digest->text()));
        }
    }
}

void LayerVerifier::start_reading() {
    reading_from_ = offset_bytes_;
    reader_ = format_.open_blob(
        [this](std::uint64_t compressed_offset_bytes) {
            member_ = reading_from_ + compressed_offset_bytes;
            walk_.begin_member(member_);
            return Result<void>{};
        },
        codec::kLayerTarBytesMax);
}

Result<void> LayerVerifier::write(ByteView bytes) {
    TarSink sink{*this};
    while (!bytes.empty()) {
        if (offset_bytes_ < resume_at_) {
            const std::uint64_t passed_over =
                std::min<std::uint64_t>(resume_at_ - offset_bytes_, bytes.size());
            offset_bytes_ += passed_over;
            bytes = bytes.subspan(passed_over);
            continue;
        }
        if (!reader_) {
            start_reading();
        }
        const Result<void> inflated = reader_->push(bytes, sink);
        if (inflated) {
            offset_bytes_ += bytes.size();
            return {};
        }
        damaged(inflated.error());
    }
    return {};
}

void LayerVerifier::damaged(const Error& error) {
    findings_.add(fmt::format("the member at byte {} of the blob, or the one behind it: {}",
                              member_, error.message));
    whole_ = false;
    reader_.reset();
    resume_at_ = member_behind(std::max(member_, reading_from_));
}

// The first that is known to begin behind this place, and that has not gone by.
std::uint64_t LayerVerifier::member_behind(std::uint64_t offset_bytes) const {
    const std::uint64_t least = std::max(offset_bytes + 1, offset_bytes_);
    const auto chunk = std::ranges::lower_bound(
        claims_.chunks, least, {},
        [](const codec::ClaimedChunk& one) { return one.place.blob_offset_bytes; });
    if (chunk != claims_.chunks.end()) {
        return chunk->place.blob_offset_bytes;
    }
    return toc_offset_bytes_ >= least ? toc_offset_bytes_ : kNowhere;
}

std::string LayerVerifier::name_of(const codec::ClaimedChunk& chunk) const {
    const codec::ClaimedFile& file = claims_.files[chunk.file];
    if (file.chunks == 1) {
        return file.path;
    }
    return fmt::format("{}, bytes {} to {}", file.path, chunk.file_offset_bytes,
                       chunk.file_offset_bytes + chunk.place.size_bytes);
}

Result<void> LayerVerifier::part(std::size_t index, std::uint64_t offset_bytes, ByteView bytes) {
    const codec::ClaimedChunk& chunk = claims_.chunks[index];
    codec::Sha256& digest = chunks_[index];
    digest.update(bytes);
    extend_file(chunk, offset_bytes, bytes);
    if (offset_bytes + bytes.size() == chunk.place.size_bytes) {
        finish_chunk(chunk, digest.finish());
        chunks_.erase(index);
    }
    return {};
}

Result<void> LayerVerifier::missing(std::size_t index) {
    const codec::ClaimedChunk& chunk = claims_.chunks[index];
    chunks_.erase(index);
    files_.erase(chunk.file);
    incomplete_.insert(chunk.file);
    findings_.add(fmt::format("{}: not in the member at byte {} of the blob, where the TOC says",
                              name_of(chunk), chunk.place.blob_offset_bytes));
    return {};
}

void LayerVerifier::finish_chunk(const codec::ClaimedChunk& chunk, const codec::Digest& found) {
    ++chunks_checked_;
    if (!chunk.digest) {
        findings_.add(name_of(chunk) + ": the TOC has no digest of it");
    } else if (*chunk.digest != found) {
        findings_.add(fmt::format("{}: its bytes are those of {}, the TOC says {}", name_of(chunk),
                                  found.text(), chunk.digest->text()));
    }
    const codec::ClaimedFile& file = claims_.files[chunk.file];
    if (file.chunks == 1 && file.digest && file.digest != chunk.digest && *file.digest != found) {
        findings_.add(fmt::format("{}: as a file its digest is {}, the TOC says {}", file.path,
                                  found.text(), file.digest->text()));
    }
}

// A file of one chunk has that chunk's digest; one of several is hashed as they come.
void LayerVerifier::extend_file(const codec::ClaimedChunk& chunk, std::uint64_t offset_bytes,
                                ByteView bytes) {
    const codec::ClaimedFile& file = claims_.files[chunk.file];
    if (file.chunks < 2 || !file.digest || incomplete_.contains(chunk.file)) {
        return;
    }
    const std::uint64_t file_offset_bytes = chunk.file_offset_bytes + offset_bytes;
    if (file_offset_bytes == 0 && files_.size() < kOpenFilesMax) {
        files_.try_emplace(chunk.file);
    }
    const auto open = files_.find(chunk.file);
    if (open == files_.end() || open->second.size_bytes != file_offset_bytes) {
        files_.erase(chunk.file);
        incomplete_.insert(chunk.file);
        findings_.add(file.path + ": its chunks are not in order; its digest was not checked");
        return;
    }
    open->second.digest.update(bytes);
    open->second.size_bytes += bytes.size();
    if (open->second.size_bytes == file.size_bytes) {
        const codec::Digest found = open->second.digest.finish();
        files_.erase(open);
        if (found != *file.digest) {
            findings_.add(fmt::format("{}: as a file its digest is {}, the TOC says {}", file.path,
                                      found.text(), file.digest->text()));
        }
    }
}

std::optional<codec::Digest> LayerVerifier::finish() {
    if (reader_) {
        if (const Result<void> ended = reader_->finish(); !ended) {
            damaged(ended.error());
        }
    } else {
        whole_ = false;
    }
    const Result<void> told = walk_.finish();
    ASSERT(told);  // whoever is told never fails
    return whole_ ? std::optional{diff_id_.finish()} : std::nullopt;
}

struct TarDigester::State {
    DigestSink tar;
    codec::LayerUnpacker unpacker{tar};
    bool failed = false;
};

TarDigester::TarDigester(Findings& findings)
    : findings_(findings), state_(std::make_unique<State>()) {}
TarDigester::~TarDigester() = default;

Result<void> TarDigester::write(ByteView bytes) {
    if (state_->failed) {
        return {};
    }
    if (const auto written = state_->unpacker.write(bytes); !written) {
        state_->failed = true;
        findings_.add("its tar: " + written.error().message);
    }
    return {};
}

std::optional<codec::Digest> TarDigester::finish() {
    if (state_->failed) {
        return std::nullopt;
    }
    if (const auto ended = state_->unpacker.finish(); !ended) {
        findings_.add("its tar: " + ended.error().message);
        return std::nullopt;
    }
    return state_->tar.finish();
}

}  // namespace lazybuild::cli
