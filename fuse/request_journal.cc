// SPDX-License-Identifier: Apache-2.0
#include "fuse/request_journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fuse.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

namespace lazybuild::fuse {
namespace {

constexpr std::array<char, 8> kMagic{'l', 'a', 'z', 'y', 'f', 'u', 's', 'e'};
constexpr std::uint32_t kJournalVersion = 1;
constexpr std::size_t kHeaderBytes = 4096;
constexpr std::size_t kLandingBytes = kRequestBytesMax;
constexpr unsigned kSeals = F_SEAL_SHRINK | F_SEAL_GROW;

}  // namespace

struct RequestJournal::Header {
    std::array<char, 8> magic;
    std::uint32_t version;
    std::uint32_t slots;
    std::uint32_t landings;
    std::uint32_t landing_bytes;
    std::uint64_t mount_device;
    std::uint32_t resend;
    std::uint32_t reserved;
};

struct RequestJournal::Slot {
    std::uint64_t unique;  // written last, cleared first
    std::uint64_t node;
    std::uint64_t offset_bytes;
    std::uint32_t size_bytes;
    std::uint32_t reserved;
};

namespace {

constexpr std::size_t kSlotBytes = 32;

constexpr std::size_t journal_bytes(std::uint32_t slots) {
    return kHeaderBytes + align_up(slots * kSlotBytes, kHeaderBytes) + (kLandings * kLandingBytes);
}

/// A predecessor is dead, and a successor comes only when we are: what has to hold is the order in
/// which this thread's stores reach memory, which is what release is for.
template <class Integer>
void publish(Integer& place, Integer value) {
    std::atomic_ref{place}.store(value, std::memory_order_release);
}

}  // namespace

Result<std::unique_ptr<RequestJournal>> RequestJournal::create(std::uint32_t slots,
                                                               const ConnectionFacts& facts) {
    static_assert(sizeof(Header) <= kHeaderBytes && sizeof(Slot) == kSlotBytes);
    ASSERT(slots > 0 && slots <= kSlotsMax);
    Fd memory{::memfd_create("lazy-journal", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    const std::size_t size_bytes = journal_bytes(slots);
    // Allocated now: memory that is missing later would be a SIGBUS.
    if (!memory || ::fallocate(memory.get(), 0, 0, static_cast<off_t>(size_bytes)) != 0 ||
        ::fcntl(memory.get(), F_ADD_SEALS, kSeals) != 0) {
        return fail(errno_error("make the request journal"));
    }
    TRY(std::unique_ptr<RequestJournal> journal, map(std::move(memory), size_bytes));
    journal->header() = {.magic = kMagic,
                         .version = kJournalVersion,
                         .slots = slots,
                         .landings = kLandings,
                         .landing_bytes = kLandingBytes,
                         .mount_device = facts.mount_device,
                         .resend = facts.resend ? 1U : 0U,
                         .reserved = 0};
    journal->index_slots();
    return journal;
}

Result<std::unique_ptr<RequestJournal>> RequestJournal::open(Fd memory) {
    const int seals = ::fcntl(memory.get(), F_GET_SEALS);
    struct stat status{};
    if (seals < 0 || (static_cast<unsigned>(seals) & kSeals) != kSeals ||
        ::fstat(memory.get(), &status) != 0) {
        return fail(corrupt("what was kept as the request journal is no sealed memory"));
    }
    const auto size_bytes = static_cast<std::size_t>(status.st_size);
    if (size_bytes < kHeaderBytes || size_bytes > journal_bytes(kSlotsMax)) {
        return fail(corrupt(fmt::format("a request journal of {} bytes", size_bytes)));
    }
    TRY(std::unique_ptr<RequestJournal> journal, map(std::move(memory), size_bytes));
    const Header& header = journal->header();
    if (header.magic != kMagic) {
        return fail(corrupt("what was kept is no request journal"));
    }
    if (header.version != kJournalVersion) {
        return fail(Error{std::errc::not_supported,
                          fmt::format("a request journal of version {}, this program has {}",
                                      header.version, kJournalVersion)});
    }
    if (header.slots == 0 || header.slots > kSlotsMax || header.landings != kLandings ||
        header.landing_bytes != kLandingBytes || journal_bytes(header.slots) != size_bytes) {
        return fail(corrupt("the request journal's header does not fit its size"));
    }
    journal->index_slots();
    return journal;
}

Result<std::unique_ptr<RequestJournal>> RequestJournal::map(Fd memory, std::size_t size_bytes) {
    void* address =
        ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
    if (address == MAP_FAILED) {
        return fail(errno_error("map the request journal"));
    }
    return std::unique_ptr<RequestJournal>{
        new RequestJournal(std::move(memory), static_cast<std::byte*>(address), size_bytes)};
}

RequestJournal::RequestJournal(Fd memory, std::byte* bytes, std::size_t size_bytes)
    : memory_(std::move(memory)), bytes_(bytes), size_bytes_(size_bytes) {}

RequestJournal::~RequestJournal() {
    ::munmap(bytes_, size_bytes_);
}

void RequestJournal::index_slots() {
    slots_ = header().slots;
    facts_ = {.mount_device = header().mount_device, .resend = header().resend != 0};
    for (std::uint32_t number = slots_; number-- > 0;) {
        const std::uint64_t unique = slot(number).unique;
        // Only a torn journal has a number twice; one slot of them is enough.
        if (unique == 0 || !slot_of_.emplace(unique, number).second) {
            publish(slot(number).unique, std::uint64_t{0});
            free_.push_back(number);
        }
    }
}

RequestJournal::Header& RequestJournal::header() const {
    return *reinterpret_cast<Header*>(bytes_);
}

RequestJournal::Slot& RequestJournal::slot(std::uint32_t number) const {
    ASSERT(number < slots_);
    return *reinterpret_cast<Slot*>(bytes_ + kHeaderBytes + (number * kSlotBytes));
}

std::byte* RequestJournal::landing_begin(unsigned number) const {
    ASSERT(number < kLandings);
    return bytes_ + size_bytes_ - ((kLandings - number) * kLandingBytes);
}

MutableByteView RequestJournal::landing(unsigned number) {
    return {landing_begin(number), kLandingBytes};
}

void RequestJournal::clear_landing(unsigned number) {
    // The length stands first in the kernel's header of a request.
    static_assert(offsetof(fuse_in_header, len) == 0);
    publish(*reinterpret_cast<std::uint32_t*>(landing_begin(number)), 0U);
}

std::optional<std::uint32_t> RequestJournal::reserve() {
    std::unique_lock lock{mutex_};
    freed_.wait(lock, [this] { return closed_ || !free_.empty(); });
    if (closed_) {
        return std::nullopt;
    }
    const std::uint32_t number = free_.back();
    free_.pop_back();
    return number;
}

void RequestJournal::release(std::uint32_t number) {
    const std::lock_guard lock{mutex_};
    free_.push_back(number);
    freed_.notify_one();
}

void RequestJournal::record(std::uint32_t number, const TakenRead& read) {
    Slot& place = slot(number);
    place.node = read.node;
    place.offset_bytes = read.offset_bytes;
    place.size_bytes = read.size_bytes;
    publish(place.unique, read.unique);
    const std::lock_guard lock{mutex_};
    const auto [found, is_new] = slot_of_.emplace(read.unique, number);
    if (!is_new) {  // asked again: one answer serves both
        publish(slot(found->second).unique, std::uint64_t{0});
        free_.push_back(std::exchange(found->second, number));
    }
}

void RequestJournal::answered(std::uint64_t unique) {
    const std::lock_guard lock{mutex_};
    const auto found = slot_of_.find(unique);
    if (found == slot_of_.end()) {
        return;
    }
    publish(slot(found->second).unique, std::uint64_t{0});
    free_.push_back(found->second);
    slot_of_.erase(found);
    freed_.notify_one();
}

void RequestJournal::close() {
    const std::lock_guard lock{mutex_};
    closed_ = true;
    freed_.notify_all();
}

std::vector<TakenRead> RequestJournal::unanswered() const {
    const std::lock_guard lock{mutex_};
    std::vector<TakenRead> reads;
    reads.reserve(slot_of_.size());
    for (const auto& [unique, number] : slot_of_) {
        const Slot& place = slot(number);
        reads.push_back({.unique = unique,
                         .node = place.node,
                         .offset_bytes = place.offset_bytes,
                         .size_bytes = place.size_bytes});
    }
    return reads;
}

std::vector<Bytes> RequestJournal::landed() const {
    const std::lock_guard lock{mutex_};
    std::vector<Bytes> requests;
    for (unsigned number = 0; number < kLandings; ++number) {
        const ByteView bytes{landing_begin(number), kLandingBytes};
        const auto length = load_le<std::uint32_t>(bytes);
        if (length < sizeof(fuse_in_header) || length > bytes.size()) {
            continue;
        }
        const std::optional<std::uint64_t> unique = request_unique(bytes.first(length));
        if (unique && !slot_of_.contains(*unique)) {
            requests.emplace_back(bytes.begin(), bytes.begin() + length);
        }
    }
    return requests;
}

void RequestJournal::clear() {
    for (unsigned number = 0; number < kLandings; ++number) {
        clear_landing(number);
    }
    const std::lock_guard lock{mutex_};
    for (const auto& [unique, number] : slot_of_) {
        publish(slot(number).unique, std::uint64_t{0});
        free_.push_back(number);
    }
    slot_of_.clear();
}

}  // namespace lazybuild::fuse
