// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <system_error>

namespace lazybuild::exec {
namespace {

class Process : public ::testing::Test {
  protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root for namespaces";
        }
    }
    Result<int> run(const std::string& script, CgroupView cgroups = CgroupView::read_only) {
        return run_process({.arguments = {"/bin/sh", "-c", script},
                            .environment = {"PATH=/bin:/usr/bin", "ONLY=this"},
                            .cgroups = cgroups,
                            .output =
                                [this](int stream, std::string_view bytes) {
                                    (stream == 1 ? output_ : errors_) += bytes;
                                },
                            .cancel = {}});
    }
    std::string output_, errors_;
};

TEST_F(Process, gives_the_exit_code_and_both_streams) {
    EXPECT_EQ(run("echo out; echo err >&2; exit 7"), 7);
    EXPECT_EQ(output_, "out\n");
    EXPECT_EQ(errors_, "err\n");
}

TEST_F(Process, takes_more_output_than_a_pipe_holds) {
    EXPECT_EQ(run("head -c 3000000 /dev/zero"), 0);
    EXPECT_EQ(output_.size(), 3'000'000U);
}

TEST_F(Process, is_the_first_of_its_namespace_and_sees_no_other) {
    EXPECT_EQ(run("echo $$; ls -d /proc/[0-9]* | grep -v -x -e /proc/1 | wc -l"), 0);
    EXPECT_EQ(output_.substr(0, 2), "1\n");
    EXPECT_LE(std::stoi(output_.substr(2)), 3);  // the pipeline's own
}

TEST_F(Process, inherits_no_descriptor_and_no_environment) {
    const int leaked = ::dup(1);  // without O_CLOEXEC
    EXPECT_EQ(run("ls /proc/$$/fd; env | grep -v -e PWD -e ^_ -e PATH; read line; echo $?"), 0);
    ::close(leaked);
    EXPECT_EQ(output_, "0\n1\n2\nONLY=this\n1\n");
}

TEST_F(Process, ends_with_what_it_started) {
    // Nobody waits for the one in the background: its end of the pipe would keep us here.
    EXPECT_EQ(run("sleep 1000 & exit 0"), 0);
}

TEST_F(Process, can_make_no_cgroup) {
    EXPECT_EQ(run("for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/lazybuild-test; done;"
                  "ls -d /sys/fs/cgroup/lazybuild-test /sys/fs/cgroup/*/lazybuild-test"),
              2);
    EXPECT_EQ(output_, "");
    EXPECT_EQ(run("ls /sys/fs/cgroup", CgroupView::none), 0);
    EXPECT_EQ(output_, "");
}

TEST_F(Process, is_killed_when_it_is_cancelled) {
    io::CancelSource source;
    const auto result =
        run_process({.arguments = {"/bin/sh", "-c", "trap '' TERM; echo; sleep 1000"},
                     .output = [&](int, std::string_view) { source.cancel(); },
                     .cancel = source.token()});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, std::errc::operation_canceled);
}

TEST_F(Process, says_what_could_not_be_started) {
    const auto result = run_process({.arguments = {"/nothing/here"}});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message, "/nothing/here: start: No such file or directory");
}

}  // namespace
}  // namespace lazybuild::exec
