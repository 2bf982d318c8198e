// SPDX-License-Identifier: Apache-2.0
#include "fuse/request_journal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <thread>

#include "tests/unit/fuse/fuse_requests.h"

namespace lazybuild::fuse {
namespace {

constexpr ConnectionFacts kFacts{.mount_device = 0x123456789, .resend = true};

std::unique_ptr<RequestJournal> make_journal(std::uint32_t slots = 100) {
    auto journal = RequestJournal::create(slots, kFacts);
    EXPECT_TRUE(journal.has_value()) << journal.error().message;
    return *std::move(journal);
}

/// As a successor sees it.
Result<std::unique_ptr<RequestJournal>> reopen(const RequestJournal& journal) {
    return RequestJournal::open(Fd{::dup(journal.memory())});
}

void record(RequestJournal& journal, std::uint64_t unique) {
    journal.record(journal.reserve().value(),
                   {.unique = unique, .node = 7, .offset_bytes = unique * 4096, .size_bytes = 512});
}

std::set<std::uint64_t> numbers(const std::vector<TakenRead>& reads) {
    std::set<std::uint64_t> found;
    for (const TakenRead& read : reads) {
        found.insert(read.unique);
    }
    return found;
}

void land(RequestJournal& journal, unsigned landing, std::uint64_t unique) {
    const Bytes bytes =
        test::make_request_of(FUSE_READ, 7, test::read_arguments(4096, 512), unique);
    std::ranges::copy(bytes, journal.landing(landing).begin());
}

void overwrite(const RequestJournal& journal, std::uint64_t offset, std::uint32_t value) {
    ASSERT_EQ(::pwrite(journal.memory(), &value, sizeof value, static_cast<off_t>(offset)), 4);
}

TEST(RequestJournal, a_successor_finds_what_was_not_answered_and_nothing_else) {
    auto journal = make_journal();
    for (const std::uint64_t unique : {2U, 4U, 6U, 8U}) {
        record(*journal, unique);
    }
    journal->answered(4);
    journal->answered(1000);  // of a request that nobody recorded: as an open's
    const auto next = reopen(*journal);
    ASSERT_TRUE(next.has_value()) << next.error().message;
    EXPECT_EQ((*next)->facts().mount_device, kFacts.mount_device);
    EXPECT_TRUE((*next)->facts().resend);
    const std::vector<TakenRead> reads = (*next)->unanswered();
    EXPECT_EQ(numbers(reads), (std::set<std::uint64_t>{2, 6, 8}));
    const auto six = std::ranges::find(reads, std::uint64_t{6}, &TakenRead::unique);
    EXPECT_EQ(six->node, 7U);
    EXPECT_EQ(six->offset_bytes, 6U * 4096);
    EXPECT_EQ(six->size_bytes, 512U);
    (*next)->answered(6);
    EXPECT_EQ(numbers(reopen(*journal).value()->unanswered()), (std::set<std::uint64_t>{2, 8}));
}

TEST(RequestJournal, what_the_kernel_wrote_last_counts_until_it_is_in_a_slot) {
    auto journal = make_journal();
    land(*journal, 0, 10);
    land(*journal, kLandings - 1, 12);
    record(*journal, 12);  // copied, and killed before the landing was cleared
    auto next = reopen(*journal);
    ASSERT_TRUE(next.has_value());
    ASSERT_EQ((*next)->landed().size(), 1U);
    EXPECT_EQ(request_unique((*next)->landed()[0]), 10U);
    journal->clear_landing(0);
    EXPECT_TRUE(reopen(*journal).value()->landed().empty());
    land(*journal, 1, 14);
    journal->clear();
    next = reopen(*journal);
    EXPECT_TRUE((*next)->landed().empty());
    EXPECT_TRUE((*next)->unanswered().empty());
}

TEST(RequestJournal, waits_when_it_is_full_and_ends_the_wait_when_it_is_closed) {
    auto journal = make_journal(3);
    for (const std::uint64_t unique : {2U, 4U, 6U}) {
        record(*journal, unique);
    }
    std::optional<std::uint32_t> slot;
    std::thread waiting{[&] { slot = journal->reserve(); }};
    journal->answered(4);
    waiting.join();
    ASSERT_TRUE(slot.has_value());
    std::thread closing{[&] { journal->close(); }};
    EXPECT_EQ(journal->reserve(), std::nullopt);
    closing.join();
}

TEST(RequestJournal, a_request_that_comes_twice_takes_one_slot) {
    auto journal = make_journal(2);
    record(*journal, 2);
    record(*journal, 2);
    EXPECT_EQ(journal->unanswered().size(), 1U);
    EXPECT_EQ(reopen(*journal).value()->unanswered().size(), 1U);
    EXPECT_TRUE(journal->reserve().has_value());
}

TEST(RequestJournal, refuses_what_is_torn_or_of_another_version) {
    for (const auto& [offset, value, code] :
         {std::tuple{0U, 0x12345678U, std::errc::bad_message},    // magic
          std::tuple{8U, 2U, std::errc::not_supported},           // version
          std::tuple{12U, 0U, std::errc::bad_message},            // slots
          std::tuple{12U, 200U, std::errc::bad_message},          // slots, of another size
          std::tuple{12U, 0xFFFFFFFFU, std::errc::bad_message},   // slots
          std::tuple{16U, 17U, std::errc::bad_message},           // landings
          std::tuple{20U, 1U << 31U, std::errc::bad_message}}) {  // bytes of a landing
        auto journal = make_journal();
        overwrite(*journal, offset, value);
        const auto next = reopen(*journal);
        ASSERT_FALSE(next.has_value()) << offset;
        EXPECT_EQ(next.error().code, code) << offset << next.error().message;
    }
}

TEST(RequestJournal, refuses_memory_that_could_shrink_and_what_is_no_memory) {
    Fd file{::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    auto journal = make_journal();
    struct stat status{};
    ASSERT_EQ(::fstat(journal->memory(), &status), 0);
    ASSERT_EQ(::ftruncate(file.get(), status.st_size), 0);
    EXPECT_FALSE(RequestJournal::open(Fd{::dup(file.get())}).has_value());
    ASSERT_EQ(::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    EXPECT_FALSE(RequestJournal::open(std::move(file)).has_value());  // all zeros
    EXPECT_FALSE(RequestJournal::open(Fd{::open("/dev/null", O_RDWR | O_CLOEXEC)}).has_value());
    EXPECT_FALSE(RequestJournal::open(Fd{}).has_value());
}

TEST(RequestJournal, a_slot_torn_in_the_middle_is_free_and_a_number_counts_once) {
    auto journal = make_journal(4);
    record(*journal, 2);
    record(*journal, 4);
    // Slot numbers are taken from 0 up: the second becomes a copy of the first.
    overwrite(*journal, 4096 + 32, 2);
    const auto next = reopen(*journal);
    ASSERT_TRUE(next.has_value());
    EXPECT_EQ((*next)->unanswered().size(), 1U);
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE((*next)->reserve().has_value());
    }
}

}  // namespace
}  // namespace lazybuild::fuse
