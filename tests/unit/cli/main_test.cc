// SPDX-License-Identifier: Apache-2.0
// The program itself, as a shell sees it: exit codes, streams, help, memory.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "tests/support/image_fixture.h"

namespace lazybuild::cli {
namespace {

struct Outcome {
    int exit_code = -1;
    std::string out;
    std::string err;
};

class ProgramTest : public testing::Test {
  protected:
    Outcome run(const std::string& arguments) {
        const std::string command = fmt::format("cd {} && {} {} > out.txt 2> err.txt",
                                                directory_.path(), LAZYBUILD_PROGRAM, arguments);
        const int status = std::system(command.c_str());
        return Outcome{.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                       .out = directory_.read("out.txt"),
                       .err = directory_.read("err.txt")};
    }

    /// Peak resident memory of one run, in KiB; -1 when it failed.
    long peak_kib(const std::string& source, const std::string& target) {
        const pid_t child = ::fork();
        if (child == 0) {
            ::execl(LAZYBUILD_PROGRAM, LAZYBUILD_PROGRAM, "convert", source.c_str(), target.c_str(),
                    static_cast<char*>(nullptr));
            ::_exit(1);
        }
        int status = -1;
        struct rusage usage{};
        if (::wait4(child, &status, 0, &usage) != child || status != 0) {
            return -1;
        }
        return usage.ru_maxrss;
    }

    test::TempDir directory_;
};

TEST_F(ProgramTest, prints_its_version_and_help_to_stdout) {
    const Outcome version = run("--version");
    EXPECT_EQ(version.exit_code, 0);
    EXPECT_TRUE(version.out.starts_with("lazybuild ")) << version.out;
    for (const char* level : {"", "convert", "copy", "inspect", "pull", "verify"}) {
        const Outcome help = run(std::string{level} + " -h");
        EXPECT_EQ(help.exit_code, 0) << level;
        EXPECT_NE(help.out.find("Examples:"), std::string::npos) << help.out;
        EXPECT_EQ(help.err, "");
        EXPECT_LE(std::ranges::count(help.out, '\n'), 48) << "more than a screen";
    }
}

TEST_F(ProgramTest, answers_a_wrong_command_line_with_2_and_a_suggestion) {
    const struct {
        const char* arguments;
        const char* words;
    } cases[] = {
        {"convrt a b", "did you mean convert?"},
        {"copy --plain-htp a b", "did you mean --plain-http?"},
        {"copy --plattform=x a b", "did you mean --platform?"},
        {"copy a", "DST is required"},
        {"copy a b c", "too many arguments: c"},
        {"convert a b --format squash", "--format"},
        {"convert a b --level 13", "--level"},
        {"convert a b --platform linux/arm64 --all-platforms", "--all-platforms"},
        {"copy docker-daemon:x b", "not supported"},
        {"", "Subcommands:"},
    };
    for (const auto& wrong : cases) {
        const Outcome outcome = run(wrong.arguments);
        EXPECT_EQ(outcome.exit_code, 2) << wrong.arguments;
        EXPECT_NE(outcome.err.find(wrong.words), std::string::npos) << outcome.err;
        EXPECT_EQ(outcome.out, "") << wrong.arguments;
    }
}

TEST_F(ProgramTest, answers_work_that_failed_with_1_and_one_line_first) {
    const Outcome outcome = run("copy oci:nowhere oci:there");
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_TRUE(outcome.err.starts_with("lazybuild copy: nowhere is not an OCI image layout"))
        << outcome.err;
    EXPECT_EQ(outcome.out, "");
}

TEST_F(ProgramTest, fails_when_stdout_takes_nothing) {
    const TestLayout layout(directory_);
    const TestBlob image = layout.add_image({layout.add_layer("echo a > a")});
    layout.write_index({{image.entry(), "x"}});
    const std::string command =
        fmt::format("{} inspect {} > /dev/full 2> /dev/null", LAZYBUILD_PROGRAM, layout.place("x"));
    const int status = std::system(command.c_str());
    EXPECT_EQ(WEXITSTATUS(status), 1);
}

// What is in work at once may differ: some chunks, each with its compressed form. The layer itself
// is 192 MiB.
TEST_F(ProgramTest, memory_does_not_grow_with_the_layer) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    GTEST_SKIP() << "a sanitizer's memory grows with what was allocated, not with what is held";
#endif
#endif
    constexpr long kGrowthKibMax = 96 * 1024;
    const TestLayout layout(directory_);
    const TestBlob small = layout.add_image({layout.add_layer("head -c 3000000 /dev/urandom > 1")});
    const TestBlob large = layout.add_image({layout.add_layer(
        "for i in 1 2 3 4 5 6; do head -c 33554432 /dev/urandom > $i; done", false)});
    layout.write_index({{small.entry(), "small"}, {large.entry(), "large"}});
    const long for_small = peak_kib(layout.place("small"), "oci:" + (directory_ / "s") + ":x");
    const long for_large = peak_kib(layout.place("large"), "oci:" + (directory_ / "l") + ":x");
    ASSERT_GT(for_small, 0);
    ASSERT_GT(for_large, 0);
    EXPECT_LT(for_large - for_small, kGrowthKibMax);
}

}  // namespace
}  // namespace lazybuild::cli
