// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "base/file.h"
#include "tests/support/temp_dir.h"

namespace lazybuild {
namespace {

bool is_open(int number) {
    return ::fcntl(number, F_GETFD) != -1;
}

TEST(Fd, closes_what_it_owns_and_only_that) {
    int pipe[2];
    ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    {
        Fd reader{pipe[0]};
        Fd moved = std::move(reader);
        EXPECT_FALSE(reader);  // NOLINT(bugprone-use-after-move): what is tested
        EXPECT_EQ(moved.get(), pipe[0]);
        Fd writer{pipe[1]};
        EXPECT_EQ(writer.release(), pipe[1]);
    }
    EXPECT_FALSE(is_open(pipe[0]));
    EXPECT_TRUE(is_open(pipe[1]));
    ::close(pipe[1]);
}

TEST(Fd, assignment_closes_the_old_descriptor) {
    int pipe[2];
    ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    Fd fd{pipe[0]};
    fd = Fd{pipe[1]};
    EXPECT_FALSE(is_open(pipe[0]));
    EXPECT_TRUE(is_open(pipe[1]));
}

TEST(Fd, reads_and_writes_at_offsets_are_whole_or_stop_at_the_end) {
    const test::TempDir directory;
    auto file = open_file(directory / "file", O_RDWR | O_CREAT);
    ASSERT_TRUE(file);
    ASSERT_TRUE(pwrite_all(file->get(), as_bytes("world"), 6));
    ASSERT_TRUE(pwrite_all(file->get(), as_bytes("hello "), 0));
    Bytes out(20);
    EXPECT_EQ(pread_full(file->get(), out, 4), 7U);
    EXPECT_EQ(as_text(ByteView{out}.first(7)), "o world");
    EXPECT_EQ(pread_full(file->get(), out, 100), 0U);
}

TEST(Fd, access_knows_the_size_and_refuses_to_read_past_it) {
    const test::TempDir directory;
    directory.write("file", "0123456789");
    auto file = open_file(directory / "file", O_RDONLY);
    ASSERT_TRUE(file);
    auto access = FdAccess::open(file->get());
    ASSERT_TRUE(access);
    EXPECT_EQ(access->size_bytes(), 10U);
    Bytes out(4);
    EXPECT_TRUE(access->read_at(6, out));
    EXPECT_EQ(as_text(out), "6789");
    EXPECT_FALSE(access->read_at(7, out));
}

TEST(Fd, sink_and_source_carry_more_than_a_pipe_holds) {
    int pipe[2];
    ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    const Fd reader{pipe[0]};
    Fd writer{pipe[1]};
    const Bytes sent(1 << 20, std::byte{7});
    std::thread thread{[&] {
        FdSink sink{writer.get()};
        EXPECT_TRUE(sink.write(sent));
        writer.reset();
    }};
    FdSource source{reader.get()};
    Bytes received(sent.size() + 1);
    EXPECT_EQ(read_full(source, received), sent.size());
    thread.join();
    received.resize(sent.size());
    EXPECT_EQ(received, sent);
}

TEST(Fd, failures_carry_errno) {
    Bytes out(1);
    EXPECT_EQ(pread_full(-1, out, 0).error().code, std::errc::bad_file_descriptor);
    EXPECT_EQ(pwrite_all(-1, out, 0).error().code, std::errc::bad_file_descriptor);
    EXPECT_EQ(write_all(-1, out).error().code, std::errc::bad_file_descriptor);
    EXPECT_EQ(FdAccess::open(-1).error().code, std::errc::bad_file_descriptor);
}

}  // namespace
}  // namespace lazybuild
