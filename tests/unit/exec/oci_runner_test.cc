// SPDX-License-Identifier: Apache-2.0
// What a command finds, and what of its work becomes a layer.
#include "builder/exec/oci_runner.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "base/file.h"
#include "tests/unit/exec/run_fixture.h"

namespace lazybuild::exec {
namespace {

class OciRunner : public test::RunTest {};
INSTANTIATE_TEST_SUITE_P(, OciRunner, ::testing::Values("crun", "runc"),
                         [](const auto& test) { return std::string{test.param}; });

TEST_P(OciRunner, makes_a_layer_of_what_a_command_changed) {
    add_file("var/old", "old");
    const auto outcome = run("echo new > /var/new; rm /var/old; mkdir -m 0750 /var/made");
    ASSERT_EQ(outcome.failure(), "");
    const auto& layer = outcome.layer();
    ASSERT_EQ(layer.entries.size(), 4U);
    EXPECT_EQ(layer.entries[0].path, "var");
    EXPECT_EQ(layer.entries[1].path, "var/made");
    EXPECT_EQ(layer.entries[1].mode, 0750U);
    EXPECT_EQ(layer.entries[2].path, "var/new");
    EXPECT_EQ(layer.contents.at("var/new"), "new\n");
    EXPECT_EQ(layer.entries[3].path, "var/.wh.old");
}

TEST_P(OciRunner, makes_no_layer_when_nothing_changed) {
    const auto outcome = run("cat /etc/hosts /etc/resolv.conf > /dev/null; ls / /proc /sys /dev");
    ASSERT_EQ(outcome.failure(), "");
    EXPECT_EQ(outcome.result->layer, nullptr);
    EXPECT_EQ(store_->made, 0U);
}

TEST_P(OciRunner, passes_both_streams_on) {
    const auto outcome = run("echo out; echo err >&2");
    ASSERT_EQ(outcome.failure(), "");
    EXPECT_EQ(outcome.output, "out\n");
    EXPECT_EQ(outcome.errors, "err\n");
}

TEST_P(OciRunner, says_which_command_failed_and_how) {
    const auto outcome = run("exit 3");
    EXPECT_EQ(outcome.failure(),
              "process \"/bin/sh -c exit 3\" did not complete successfully: exit code: 3");
    EXPECT_EQ(outcome.result.error().code, std::errc::protocol_error);
}

TEST_P(OciRunner, tells_a_command_that_cannot_be_started_from_one_that_fails) {
    step_.arguments = {"/bin/nothing"};
    const auto outcome = run_step(step_);
    EXPECT_NE(outcome.failure().find("process \"/bin/nothing\" did not complete successfully: " +
                                     options_.runtime),
              std::string::npos)
        << outcome.failure();
    EXPECT_EQ(outcome.result.error().code, std::errc::executable_format_error);
}

TEST_P(OciRunner, gives_a_command_its_environment_and_proxies_and_nothing_else) {
    step_.environment = {"PATH=/bin", "HOME=/h", "A=1", "B=x y"};
    step_.proxies = {{"HTTP_PROXY", "http://p"}};
    step_.arguments = {"/bin/env"};
    const auto outcome = run_step(step_);
    ASSERT_EQ(outcome.failure(), "");
    EXPECT_EQ(outcome.output, "PATH=/bin\nHOME=/h\nA=1\nB=x y\nHTTP_PROXY=http://p\n");
}

TEST_P(OciRunner, runs_as_the_user_with_all_groups) {
    step_.user = "maker";
    const auto outcome = run("id -u; id -G");
    ASSERT_EQ(outcome.failure(), "");
    EXPECT_EQ(outcome.output, "1000\n1001 10\n");
}

TEST_P(OciRunner, makes_the_working_directory_and_keeps_it) {
    step_.working_directory = "/work/here";
    const auto outcome = run("pwd");
    ASSERT_EQ(outcome.failure(), "");
    EXPECT_EQ(outcome.output, "/work/here\n");
    ASSERT_NE(test::find_entry(outcome.layer(), "work/here"), nullptr);
    EXPECT_EQ(test::find_entry(outcome.layer(), "work/here")->mode, 0755U);
}

TEST_P(OciRunner, refuses_a_working_directory_in_proc) {
    step_.working_directory = "/proc/self/fd/7";
    EXPECT_NE(run("pwd").failure().find("inside /proc"), std::string::npos);
    std::filesystem::create_symlink("/proc/self/fd", image_ + "/innocent");
    step_.working_directory = "/innocent/8";
    EXPECT_NE(run("pwd").failure().find("inside /proc"), std::string::npos);
}

TEST_P(OciRunner, refuses_an_image_whose_proc_leads_elsewhere) {
    std::filesystem::create_symlink("/tmp", image_ + "/proc");
    EXPECT_NE(run("true").failure().find("/proc"), std::string::npos);
}

TEST_P(OciRunner, leaves_no_descriptor_open_in_the_container) {
    const auto outcome = run("ls /proc/self/fd | wc -l");  // three streams, and ls's own
    ASSERT_EQ(outcome.failure(), "");
    EXPECT_EQ(outcome.output, "4\n");
}

TEST_P(OciRunner, gives_the_default_capabilities_and_a_filter) {
    const auto outcome =
        run("grep -E 'CapEff|CapBnd|CapInh|Seccomp:|NoNewPrivs' /proc/self/status");
    ASSERT_EQ(outcome.failure(), "");
    EXPECT_EQ(outcome.output,
              "CapInh:\t0000000000000000\nCapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n"
              "NoNewPrivs:\t0\nSeccomp:\t2\n");
    EXPECT_EQ(run("unshare -U true").failure().find("exit code: 0"), std::string::npos);
    EXPECT_NE(run("mount -t tmpfs none /tmp").failure(), "");
}

TEST_P(OciRunner, hides_what_is_the_kernels) {
    const auto outcome = run("head -c 4 /proc/kcore | wc -c; echo 1 > /proc/sys/kernel/panic");
    EXPECT_NE(outcome.failure(), "");
    EXPECT_EQ(outcome.output, "0\n");
}

TEST_P(OciRunner, opens_no_device_of_the_host) {
    ASSERT_EQ(::mknod((image_ + "/var/zero").c_str(), S_IFCHR | 0666, makedev(1, 5)), 0);
    const auto outcome =
        run("mknod /dev/mine c 1 5; mknod /tmp/mine c 1 5;"
            "for d in /dev/mine /tmp/mine /var/zero /dev/zero; do head -c 1 $d | wc -c; done");
    ASSERT_EQ(outcome.failure(), "");
    EXPECT_EQ(outcome.output, "0\n0\n0\n1\n");
}

TEST_P(OciRunner, keeps_the_network_away_when_asked_to) {
    step_.network = "none";
    const auto outcome = run("grep -c : /proc/net/dev; cat /etc/hosts");
    ASSERT_EQ(outcome.failure(), "");
    EXPECT_EQ(outcome.output.substr(0, 2), "1\n") << outcome.output;
}

TEST_P(OciRunner, writes_hosts_and_the_host_name) {
    options_.extra_hosts = {{"db", "10.1.2.3"}};
    step_.host_name = "sandbox";
    const auto outcome = run("cat /etc/hosts /proc/sys/kernel/hostname");
    ASSERT_EQ(outcome.failure(), "");
    EXPECT_EQ(outcome.output,
              "127.0.0.1\tlocalhost sandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n"
              "10.1.2.3\tdb\nsandbox\n");
}

TEST_P(OciRunner, asks_for_permission_where_a_step_wants_more) {
    step_.network = "host";
    EXPECT_NE(run("true").failure().find("--allow network.host"), std::string::npos);
    options_.entitlements.host_network = true;
    EXPECT_EQ(run("true").failure(), "");
    step_.network = "default";
    step_.insecure = true;
    EXPECT_NE(run("true").failure().find("--allow security.insecure"), std::string::npos);
    options_.entitlements.insecure = true;
    EXPECT_EQ(run("mount -t tmpfs none /tmp").failure(), "");
    step_.insecure = false;
    step_.network = "Host";
    EXPECT_NE(run("true").failure().find("network Host"), std::string::npos);
}

TEST_P(OciRunner, runs_a_script_of_the_dockerfile) {
    step_.script = graph::InlineFile{.name = "EOF", .content = "#!/bin/cat\ntext\n", .mode = 0755};
    const auto outcome = run("/dev/pipes/EOF");
    ASSERT_EQ(outcome.failure(), "");
    EXPECT_EQ(outcome.output, "#!/bin/cat\ntext\n");
    EXPECT_EQ(outcome.result->layer, nullptr);
}

TEST_P(OciRunner, sets_limits) {
    options_.ulimits = {{.name = "nofile", .soft = 100, .hard = 200}};
    options_.shm_bytes = 1 << 20;
    const auto outcome = run("ulimit -Sn; ulimit -Hn; grep /dev/shm /proc/mounts");
    ASSERT_EQ(outcome.failure(), "");
    EXPECT_TRUE(outcome.output.starts_with("100\n200\n")) << outcome.output;
    EXPECT_NE(outcome.output.find("size=1024k"), std::string::npos) << outcome.output;
}

TEST_P(OciRunner, discards_what_came_of_reads_that_failed) {
    const auto fail_later = [this] { base_->failed = 1; };
    step_.arguments = {"/bin/sh", "-c", "echo x > /made; echo go"};
    const auto runner = make_oci_runner(*store_, options_);
    const auto result = runner->run({.step = step_,
                                     .platform = platform_,
                                     .base = {.layers = {base_}},
                                     .mounts = {},
                                     .output = [&](int, std::string_view) { fail_later(); },
                                     .cancel = {}});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, std::errc::io_error);
    EXPECT_EQ(store_->made, 0U);
}

TEST_P(OciRunner, ends_a_command_that_is_cancelled_with_all_it_started) {
    io::CancelSource source;
    cancel_ = source.token();
    step_.arguments = {"/bin/sh", "-c", "(sleep 8765 & ) ; echo started; sleep 8765"};
    const auto runner = make_oci_runner(*store_, options_);
    const auto result = runner->run({.step = step_,
                                     .platform = platform_,
                                     .base = {.layers = {base_}},
                                     .mounts = {},
                                     .output = [&](int, std::string_view) { source.cancel(); },
                                     .cancel = cancel_});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, std::errc::operation_canceled);
    EXPECT_EQ(processes_with("8765"), 0U);
}

TEST_P(OciRunner, dies_with_the_builder) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const pid_t builder = ::fork();
    if (builder == 0) {
        step_.arguments = {"/bin/sh", "-c", "(sleep 4321 & ) ; echo started; sleep 4321"};
        const auto runner = make_oci_runner(*store_, options_);
        const auto result =
            runner->run({.step = step_,
                         .platform = platform_,
                         .base = {.layers = {base_}},
                         .mounts = {},
                         .output = [&](int, std::string_view) { ::write(ends[1], "s", 1); },
                         .cancel = {}});
        ::_exit(1);
    }
    char started = 0;
    ASSERT_EQ(::read(ends[0], &started, 1), 1);
    EXPECT_GT(processes_with("4321"), 0U);
    ::kill(builder, SIGKILL);
    ASSERT_EQ(::waitpid(builder, nullptr, 0), builder);
    for (int i = 0; i < 1000 && processes_with("4321") > 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
    EXPECT_EQ(processes_with("4321"), 0U);
    ::close(ends[0]);
    ::close(ends[1]);
}

std::size_t count_cgroups() {
    std::size_t directories = 0;
    std::error_code ignored;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator{"/sys/fs/cgroup", ignored}) {
        directories += entry.is_directory(ignored) && entry.path().filename() == "run" ? 1 : 0;
    }
    return directories;
}

TEST_P(OciRunner, leaves_no_cgroup) {
    const std::size_t before = count_cgroups();
    ASSERT_EQ(run("true").failure(), "");
    EXPECT_EQ(count_cgroups(), before);
}

TEST_P(OciRunner, leaves_no_cgroup_where_there_is_version_2_alone) {
    ASSERT_EQ(::mount("none", "/sys/fs/cgroup", "cgroup2", 0, nullptr), 0);
    const std::size_t before = count_cgroups();
    const std::string failure = run("true").failure();
    const std::size_t after = count_cgroups();
    ASSERT_EQ(::umount2("/sys/fs/cgroup", MNT_DETACH), 0);
    EXPECT_EQ(failure, "");
    EXPECT_EQ(after, before);
}

TEST_P(OciRunner, touches_nothing_of_the_host_when_a_step_moves_its_mount_points) {
    std::filesystem::create_directories(path("host/secrets"));
    step_.mounts = {{.type = graph::RunMount::Type::tmpfs, .target = "/a/secrets"}};
    mounts_ = {{}};
    const auto outcome = run("mv /a /b; ln -s " + path("host") + " /a");
    if (outcome.failure().empty()) {  // it may also be told that a mount is busy
        EXPECT_NE(test::find_entry(outcome.layer(), "a"), nullptr);
    }
    EXPECT_TRUE(std::filesystem::exists(path("host/secrets")));
}

TEST_P(OciRunner, refuses_a_platform_without_an_emulator) {
    platform_ = *codec::Platform::parse("linux/mips64");
    const std::string failure = run("true").failure();
    EXPECT_NE(failure.find("linux/mips64"), std::string::npos) << failure;
    EXPECT_NE(failure.find("qemu-user-static"), std::string::npos) << failure;
}

}  // namespace
}  // namespace lazybuild::exec
