// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/store/presence.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

#include "base/file.h"

namespace lazybuild::store {
namespace {

constexpr std::string_view kMagic = "LZBHAVE1";
constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kCountOffset = 8;
constexpr std::size_t kBootOffset = 16;
constexpr std::size_t kBootBytes = 36;
constexpr std::size_t kCleanOffset = kBootOffset + kBootBytes;

// Empty when /proc is not there: then nothing counts as the same boot, which is the safe side.
std::string boot_id() {
    auto text = read_file("/proc/sys/kernel/random/boot_id", 4096);
    return text ? text->substr(0, kBootBytes) : std::string{};
}

}  // namespace

Presence::Presence(Fd file, std::uint64_t chunk_count, int disk_fd)
    : file_(std::move(file)),
      chunk_count_(chunk_count),
      disk_fd_(disk_fd),
      ready_((chunk_count + 63) / 64) {}

Result<std::unique_ptr<Presence>> Presence::open(const std::string& path, std::uint64_t chunk_count,
                                                 int disk_fd) {
    TRY(Fd file, open_file(path, O_RDWR | O_CREAT, 0600));
    std::unique_ptr<Presence> presence{new Presence(std::move(file), chunk_count, disk_fd)};
    CHECK_OK(presence->load());
    // From here on a crash of the machine must not leave a "clean" note behind.
    CHECK_OK(presence->write(false));
    return presence;
}

Result<void> Presence::load() {
    Bytes content(kHeaderBytes + ready_.size() * 8);
    TRY(const std::size_t size, pread_full(file_.get(), content, 0));
    const ByteView header = ByteView{content}.first(kHeaderBytes);
    if (size != content.size() || as_text(header.first(kMagic.size())) != kMagic ||
        load_le<std::uint64_t>(header, kCountOffset) != chunk_count_) {
        if (::ftruncate(file_.get(), static_cast<off_t>(content.size())) != 0) {
            return fail(errno_error("ftruncate"));
        }
        return {};
    }
    const std::string boot = boot_id();
    const bool same_boot =
        !boot.empty() && as_text(header.subspan(kBootOffset, kBootBytes)) == boot;
    const bool believed = same_boot || load_le<std::uint8_t>(header, kCleanOffset) == 1;
    if (!believed) {
        claimed_ = Words(ready_.size());
    }
    Words& words = believed ? ready_ : claimed_;
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < words.size(); ++i) {
        auto word = load_le<std::uint64_t>(content, kHeaderBytes + i * 8);
        if (i + 1 == words.size() && chunk_count_ % 64 != 0) {
            word &= (std::uint64_t{1} << (chunk_count_ % 64)) - 1;
        }
        words[i].store(word, std::memory_order_relaxed);
        count += static_cast<std::uint64_t>(std::popcount(word));
    }
    if (believed) {
        marked_.store(count, std::memory_order_release);
        flushed_ = count;
    }
    return {};
}

void Presence::mark(ChunkIndex chunk) {
    const std::uint64_t bit = std::uint64_t{1} << (chunk % 64);
    const std::uint64_t before = ready_[chunk / 64].fetch_or(bit, std::memory_order_acq_rel);
    if ((before & bit) == 0) {
        marked_.fetch_add(1, std::memory_order_acq_rel);
    }
}

Result<void> Presence::write(bool clean) {
    // The bits are taken before the fdatasync: a bit set meanwhile may be for bytes that it missed.
    Bytes content(kHeaderBytes + ready_.size() * 8);
    std::ranges::copy(as_bytes(kMagic), content.begin());
    store_le<std::uint64_t>(content, kCountOffset, chunk_count_);
    const std::string boot = boot_id();
    std::ranges::copy(as_bytes(boot), content.begin() + kBootOffset);
    store_le<std::uint8_t>(content, kCleanOffset, clean ? 1 : 0);
    // Claimed bits are not written: under this boot's id the next open would believe them.
    for (std::size_t i = 0; i < ready_.size(); ++i) {
        store_le<std::uint64_t>(content, kHeaderBytes + i * 8,
                                ready_[i].load(std::memory_order_acquire));
    }
    if (::fdatasync(disk_fd_) != 0) {
        return fail(errno_error("fdatasync of the disk"));
    }
    return pwrite_all(file_.get(), content, 0);
}

Result<void> Presence::flush() {
    const std::lock_guard lock{flush_mutex_};
    const std::uint64_t marked = marked_.load(std::memory_order_acquire);
    if (marked == flushed_) {
        return {};
    }
    CHECK_OK(write(false));
    flushed_ = marked;
    return {};
}

Result<void> Presence::close() {
    const std::lock_guard lock{flush_mutex_};
    CHECK_OK(write(true));
    if (::fdatasync(file_.get()) != 0) {
        return fail(errno_error("fdatasync of the presence bits"));
    }
    return {};
}

}  // namespace lazybuild::store
