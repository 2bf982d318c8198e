// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_cutter.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "codec/estargz_time.h"
#include "codec/estargz_toc.h"

namespace lazybuild::codec {
namespace {

/// A batch ends with the member that fills it to this.
constexpr std::size_t kBatchBytes = 512 << 10;
/// Beside a chunk, for headers.
constexpr std::size_t kRoomBytes = 16 << 10;
/// Of entries without a payload, one behind the other in one member: a layer may have millions.
constexpr std::size_t kHeadersBytesMax = 256 << 10;
constexpr std::byte kLandmarkContent{0x0f};
constexpr std::uint32_t kLandmarkMode = 0644;

std::string_view toc_type(const LayerEntry& entry) {
    if (entry.kind == LayerEntry::Kind::hardlink) {
        return "hardlink";
    }
    switch (entry.type) {
        case FileType::regular: return "reg";
        case FileType::directory: return "dir";
        case FileType::symlink: return "symlink";
        case FileType::character: return "char";
        case FileType::block: return "block";
        case FileType::fifo: return "fifo";
    }
    std::unreachable();
}

bool is_regular(const LayerEntry& entry) {
    return entry.kind == LayerEntry::Kind::file && entry.type == FileType::regular;
}

TocEntry toc_entry(const LayerEntry& entry) {
    TocEntry line;
    line.name = entry.path;
    line.type = toc_type(entry);
    line.size_bytes = is_regular(entry) ? entry.size_bytes : 0;
    line.modtime = entry.mtime_s == 0 ? std::string{} : format_rfc3339(entry.mtime_s);
    line.mode = entry.mode;
    line.uid = entry.uid;
    line.gid = entry.gid;
    line.xattrs = entry.xattrs;
    if (entry.kind == LayerEntry::Kind::hardlink || entry.type == FileType::symlink) {
        line.link_name = entry.link_target;
    }
    if (entry.type == FileType::character || entry.type == FileType::block) {
        line.device_major = entry.device_major;
        line.device_minor = entry.device_minor;
    }
    return line;
}

std::unique_ptr<EstargzBatch> empty_batch() {
    auto batch = std::make_unique<EstargzBatch>();
    batch->text.reserve(kBatchBytes + kRoomBytes);
    return batch;
}

}  // namespace

std::string EstargzCutter::NameMemory::if_changed(std::uint32_t id, const std::string& name) {
    if (name.empty()) {
        return {};
    }
    std::string& last = last_[id];
    return std::exchange(last, name) == name ? std::string{} : name;
}

EstargzCutter::EstargzCutter(Sizes sizes, Take take)
    : sizes_(sizes), take_(std::move(take)), batch_(empty_batch()) {
    batch_->members.push_back(0);  // the format wants one at the very front
}
EstargzCutter::~EstargzCutter() = default;

void EstargzCutter::append(ByteView bytes) {
    batch_->text.insert(batch_->text.end(), bytes.begin(), bytes.end());
}

Result<void> EstargzCutter::hand_over() {
    std::unique_ptr<EstargzBatch> full = std::exchange(batch_, empty_batch());
    return full->text.empty() ? Result<void>{} : take_(std::move(full));
}

Result<void> EstargzCutter::begin_member(std::uint64_t expected_bytes) {
    if (batch_->text.size() + expected_bytes > kBatchBytes) {
        CHECK_OK(hand_over());
    }
    batch_->text.reserve(batch_->text.size() + expected_bytes + kRoomBytes);
    batch_->members.push_back(batch_->text.size());
    member_is_closed_ = false;
    return {};
}

Result<void> EstargzCutter::begin_chunk() {
    chunk_rest_bytes_ = std::min(rest_bytes_, sizes_.chunk_bytes);
    // Chunks of large files stand alone: nobody who wants one is to inflate anything else.
    const bool stands_alone =
        member_is_closed_ || chunk_rest_bytes_ >= sizes_.member_bytes_min ||
        file_bytes_ > sizes_.chunk_bytes ||
        batch_->text.size() - batch_->members.back() >= sizes_.member_bytes_min;
    if (stands_alone) {
        CHECK_OK(begin_member(chunk_rest_bytes_));
    }
    batch_->chunks.push_back({.begin_bytes = batch_->text.size(),
                              .size_bytes = static_cast<std::size_t>(chunk_rest_bytes_),
                              .member = batch_->members.size() - 1,
                              .digest = {}});
    return {};
}

Result<void> EstargzCutter::begin_entry(const TarEntry& found, ByteView header) {
    ASSERT(rest_bytes_ == 0);
    if (headers_bytes_ >= kHeadersBytesMax) {
        CHECK_OK(begin_member(0));
        member_is_closed_ = true;
        headers_bytes_ = 0;
    }
    const LayerEntry& entry = found.entry;
    append(header);
    headers_bytes_ += header.size();
    EstargzLine line{.entry = toc_entry(entry)};
    line.entry.user_name = user_names_.if_changed(entry.uid, found.user_name);
    line.entry.group_name = group_names_.if_changed(entry.gid, found.group_name);
    file_bytes_ = line.entry.size_bytes;
    line.chunk_count = (file_bytes_ + sizes_.chunk_bytes - 1) / sizes_.chunk_bytes;
    batch_->lines.push_back(std::move(line));
    rest_bytes_ = file_bytes_;
    return {};
}

Result<void> EstargzCutter::payload(ByteView bytes) {
    ASSERT(bytes.size() <= rest_bytes_);
    while (!bytes.empty()) {
        if (chunk_rest_bytes_ == 0) {
            CHECK_OK(begin_chunk());
        }
        headers_bytes_ = 0;
        const ByteView now = bytes.first(std::min<std::uint64_t>(bytes.size(), chunk_rest_bytes_));
        append(now);
        bytes = bytes.subspan(now.size());
        chunk_rest_bytes_ -= now.size();
        rest_bytes_ -= now.size();
    }
    if (rest_bytes_ == 0) {
        append(tar_padding(file_bytes_));
    }
    return {};
}

Result<void> EstargzCutter::landmark(bool something_first) {
    TarEntry file;
    file.entry.path = something_first ? kPrefetchLandmark : kNoPrefetchLandmark;
    file.entry.mode = kLandmarkMode;
    file.entry.size_bytes = 1;
    const bool nothing_before = batch_->text.empty();
    CHECK_OK(begin_entry(file, tar_header(file)));
    member_is_closed_ = true;
    CHECK_OK(payload(ByteView{&kLandmarkContent, 1}));
    member_is_closed_ = true;
    if (nothing_before) {
        batch_->own_bytes = batch_->text.size();
    }
    return {};
}

Result<void> EstargzCutter::finish() {
    ASSERT(rest_bytes_ == 0);
    return hand_over();
}

}  // namespace lazybuild::codec
