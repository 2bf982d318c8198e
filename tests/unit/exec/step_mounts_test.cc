// SPDX-License-Identifier: Apache-2.0
// What RUN --mount shows to a command, what stays of it, and what a hostile image or step cannot
// make of it.
#include "builder/exec/step_mounts.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/unix_socket.h"
#include "tests/unit/exec/run_fixture.h"

namespace lazybuild::exec {
namespace {

using graph::RunMount;

class StepMounts : public test::RunTest {
  protected:
    RunMount& add(RunMount mount, solve::MountFiles files = {}) {
        step_.mounts.push_back(std::move(mount));
        mounts_.push_back(std::move(files));
        return step_.mounts.back();
    }
    RunMount& add_cache(const std::string& target, const std::string& id = "cache") {
        return add({.type = RunMount::Type::cache, .target = target, .id = id});
    }
    /// A stage with some files and a link that leads out of it.
    layers::Snapshot stage() {
        if (std::filesystem::exists(path("stage"))) {
            return snapshot(path("stage"), "stage");
        }
        directory("stage/dir/sub");
        write("stage/dir/file", "from the stage");
        write("stage/dir/sub/deep", "deep");
        std::filesystem::create_symlink("/", path("stage/root"));
        std::filesystem::create_symlink("../../../../..", path("stage/up"));
        std::filesystem::create_symlink("/proc/self/fd", path("stage/magic"));
        return snapshot(path("stage"), "stage");
    }
    void write(const std::string& name, const std::string& content) {
        std::ofstream{path(name)} << content;
    }
    /// As run_step, also from several threads; why it failed.
    std::string run_quietly(const graph::RunStep& step) {
        const auto result = runner().run({.step = step,
                                          .platform = platform_,
                                          .base = {.layers = {base_}},
                                          .mounts = mounts_,
                                          .output = {},
                                          .cancel = {}});
        return result ? "" : result.error().message;
    }
    solve::StepRunner& runner() {
        if (runner_ == nullptr) {
            runner_ = make_oci_runner(*store_, options_);
        }
        return *runner_;
    }
    std::string first_cache() {
        return std::filesystem::directory_iterator {
            path("store/cache-mounts")
        } -> path().string();
    }
    std::unique_ptr<solve::StepRunner> runner_;
    /// Succeeds, makes no layer, and prints `expected`.
    void expect_output(const std::string& command, const std::string& expected) {
        const auto outcome = run(command);
        ASSERT_EQ(outcome.failure(), "") << outcome.errors;
        EXPECT_EQ(outcome.output, expected);
        EXPECT_EQ(outcome.result->layer, nullptr) << outcome.layer().entries.front().path;
    }
};
INSTANTIATE_TEST_SUITE_P(, StepMounts, ::testing::Values("crun", "runc"),
                         [](const auto& test) { return std::string{test.param}; });

TEST_P(StepMounts, shows_files_of_a_stage) {
    add({.target = "/new/place", .source = "dir", .read_only = true}, {.snapshot = stage()});
    add({.target = "/one", .source = "dir/file", .read_only = true}, {.snapshot = stage()});
    expect_output("cat /new/place/file /one; ls /new/place",
                  "from the stagefrom the stagefile\nsub\n");
    EXPECT_NE(run("echo x > /new/place/file").failure(), "");
}

TEST_P(StepMounts, throws_away_what_is_written_into_a_stage) {
    add({.target = "/s", .source = "dir"}, {.snapshot = stage()});
    expect_output("echo x > /s/file; rm /s/sub/deep; cat /s/file", "x\n");
    expect_output("cat /s/file /s/sub/deep", "from the stagedeep");
}

TEST_P(StepMounts, follows_links_of_a_source_inside_it_only) {
    write("secret-of-the-host", "secret");
    for (const char* source : {"root", "up"}) {
        step_.mounts.clear();
        mounts_.clear();
        add({.target = "/s", .source = source, .read_only = true}, {.snapshot = stage()});
        expect_output("ls /s", "dir\nmagic\nroot\nup\n");
    }
    step_.mounts[0].source = "magic";
    EXPECT_NE(run("ls /s").failure().find("\"/magic\": not found"), std::string::npos);
}

TEST_P(StepMounts, names_a_source_that_is_missing) {
    add({.target = "/s", .source = "nothing", .read_only = true}, {.snapshot = stage()});
    EXPECT_EQ(run("true").failure(), "RUN --mount: \"/nothing\": not found");
}

TEST_P(StepMounts, shows_files_of_a_context_as_they_were) {
    directory("context/src");
    write("context/src/main.c", "int main;");
    test::DirectorySource context{path("context")};
    add({.target = "/src", .source = "src", .read_only = true}, {.files = &context});
    add({.target = "/one.c", .source = "src/main.c", .read_only = true}, {.files = &context});
    expect_output("cat /src/main.c /one.c", "int main;int main;");
    step_.mounts.resize(1);
    step_.mounts[0].source = "gone";
    EXPECT_EQ(run("true").failure(), "RUN --mount: \"/gone\": not found");
}

TEST_P(StepMounts, follows_links_of_a_target_inside_the_image) {
    const std::string outside = directory("outside");
    std::filesystem::create_symlink(outside, image_ + "/link");
    std::filesystem::create_symlink("var", image_ + "/alias");
    add({.target = "/link/x", .source = "dir", .read_only = true}, {.snapshot = stage()});
    add({.target = "/alias/y", .source = "dir", .read_only = true}, {.snapshot = stage()});
    expect_output("cat /link/x/file /var/y/file", "from the stagefrom the stage");
    EXPECT_TRUE(std::filesystem::is_empty(outside));
}

TEST_P(StepMounts, refuses_targets_in_proc_and_at_the_root) {
    std::filesystem::create_symlink("/proc/self", image_ + "/self");
    for (const char* target : {"/proc/self/fd", "/self/attr", "/sys", "/", "/var/.."}) {
        step_.mounts.clear();
        add({.type = RunMount::Type::tmpfs, .target = target});
        EXPECT_NE(run("true").failure(), "") << target;
    }
}

TEST_P(StepMounts, puts_mounts_into_mounts) {
    add({.type = RunMount::Type::tmpfs, .target = "/s/sub/a"});
    add({.target = "/s", .source = "dir", .read_only = true}, {.snapshot = stage()});
    add_cache("/s/cached/deep");
    add({.type = RunMount::Type::tmpfs, .target = "/t"});
    add_cache("/t/in/tmpfs");
    expect_output("echo x > /s/sub/a/f; echo y > /s/cached/deep/f; ls /s; cat /t/in/tmpfs/f",
                  "cached\nfile\nsub\ny\n");
    EXPECT_FALSE(std::filesystem::exists(path("stage/dir/cached")));
}

TEST_P(StepMounts, keeps_a_cache_from_step_to_step) {
    auto& cache = add_cache("/var/cache/app");
    cache.mode = 0700;
    cache.uid = 1000;
    cache.gid = 1001;
    expect_output("stat -c '%a %u %g' /var/cache/app; echo kept > /var/cache/app/f",
                  "700 1000 1001\n");
    expect_output("cat /var/cache/app/f", "kept\n");
    step_.mounts[0].id = "another";
    expect_output("ls /var/cache/app", "");
}

TEST_P(StepMounts, makes_no_path_of_a_caches_id) {
    add_cache("/c", "../../../../" + path("elsewhere"));
    expect_output("echo x > /c/f", "");
    EXPECT_FALSE(std::filesystem::exists(path("elsewhere")));
    std::size_t caches = 0;
    for (const auto& entry : std::filesystem::directory_iterator{path("store/cache-mounts")}) {
        EXPECT_EQ(entry.path().filename().string().size(), 64U);
        ++caches;
    }
    EXPECT_EQ(caches, 1U);
}

TEST_P(StepMounts, begins_a_cache_with_files_of_a_stage) {
    add_cache("/c").source = "dir";
    mounts_[0].snapshot = stage();
    expect_output("cat /c/file /c/sub/deep; echo new > /c/file", "from the stagedeep");
    expect_output("cat /c/file", "new\n");
    EXPECT_EQ(read_file(path("stage/dir/file"), 100).value(), "from the stage");
}

TEST_P(StepMounts, gives_a_locked_cache_to_one_step_at_a_time) {
    add_cache("/c").sharing = RunMount::Sharing::locked;
    // Each finds the directory that the other has made, unless it waits until that one is gone.
    const std::string command = "mkdir /c/busy && sleep 0.2 && rmdir /c/busy";
    std::array<std::string, 3> failures;
    {
        runner();
        std::vector<std::jthread> threads;
        for (std::string& failure : failures) {
            threads.emplace_back([&] {
                graph::RunStep step = step_;
                step.arguments = {"/bin/sh", "-c", command};
                failure = run_quietly(step);
            });
        }
    }
    for (const std::string& failure : failures) {
        EXPECT_EQ(failure, "");
    }
}

TEST_P(StepMounts, gives_private_caches_to_steps_that_run_at_once) {
    add_cache("/c").sharing = RunMount::Sharing::private_;
    expect_output("echo first > /c/f", "");
    const std::string lock = first_cache() + "/lock";
    const auto held = open_file(lock, O_RDWR);
    ASSERT_EQ(::flock(held->get(), LOCK_EX | LOCK_NB), 0);
    expect_output("ls /c", "");
    ASSERT_EQ(::flock(held->get(), LOCK_UN), 0);
    expect_output("ls /c", "f\n");
}

TEST_P(StepMounts, stops_waiting_for_a_cache_when_it_is_cancelled) {
    add_cache("/c").sharing = RunMount::Sharing::locked;
    expect_output("true", "");
    const auto held = open_file(first_cache() + "/lock", O_RDWR);
    ASSERT_EQ(::flock(held->get(), LOCK_EX | LOCK_NB), 0);
    io::CancelSource source;
    source.cancel();
    cancel_ = source.token();
    const auto outcome = run("true");
    EXPECT_EQ(outcome.result.error().code, std::errc::operation_canceled) << outcome.failure();
}

TEST_P(StepMounts, limits_a_tmpfs) {
    add({.type = RunMount::Type::tmpfs, .target = "/t", .size_bytes = 1 << 20});
    expect_output("head -c 2000000 /dev/zero > /t/f; stat -c %s /t/f", "1048576\n");
}

TEST_P(StepMounts, shows_a_secret_and_leaves_nothing_of_it) {
    write("token", "s3cret");
    options_.secrets["token"] = {.kind = Secret::Kind::file, .place = path("token")};
    add({.type = RunMount::Type::secret,
         .target = "/run/secrets/token",
         .id = "token",
         .variable = "TOKEN"});
    expect_output(
        "stat -c '%a %u' /run/secrets/token; test $(cat /run/secrets/token) = $TOKEN;"
        "cat /run/secrets/token; test $TOKEN = s3cre\"\"t && echo $TOKEN",
        "400 0\n******\n");
    const auto outcome = run("echo x > /run/other; ! echo x > /run/secrets/token");
    ASSERT_EQ(outcome.failure(), "");
    for (const auto& entry : outcome.layer().entries) {
        EXPECT_FALSE(entry.path.starts_with("run/secrets")) << entry.path;
    }
    EXPECT_EQ(outcome.layer().contents.at("run/other"), "x\n");
}

TEST_P(StepMounts, gives_a_secret_the_owner_that_was_asked_for) {
    ::setenv("LAZYBUILD_TEST_SECRET", "from the environment", 1);
    options_.secrets["token"] = {.kind = Secret::Kind::variable, .place = "LAZYBUILD_TEST_SECRET"};
    add({.type = RunMount::Type::secret,
         .target = "/etc/token",
         .id = "token",
         .mode = 0440,
         .uid = 1000,
         .gid = 1001});
    step_.user = "maker";
    expect_output("stat -c '%a %u %g' /etc/token; grep -c 'the environ' /etc/token",
                  "440 1000 1001\n1\n");
}

TEST_P(StepMounts, insists_on_a_secret_only_when_it_is_required) {
    auto& secret = add({.type = RunMount::Type::secret, .target = "/s", .id = "none"});
    expect_output("! ls /s 2> /dev/null", "");
    secret.required = true;
    EXPECT_NE(run("true").failure().find("secret none: not found"), std::string::npos);
}

TEST_P(StepMounts, gives_a_step_an_agent_of_its_own) {
    const Fd agent{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const auto address = unix_socket_address(path("agent"));
    ASSERT_EQ(::bind(agent.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address),
              0);
    ASSERT_EQ(::listen(agent.get(), 1), 0);
    options_.ssh_agents["default"] = path("agent");
    add({.type = RunMount::Type::ssh, .target = "/run/buildkit/ssh_agent.0", .mode = 0666});
    expect_output("stat -c '%F %a' $SSH_AUTH_SOCK", "socket 666\n");
    step_.mounts[0].id = "other";
    expect_output("echo $SSH_AUTH_SOCK", "\n");
    step_.mounts[0].required = true;
    EXPECT_NE(run("true").failure().find("SSH agent other: not found"), std::string::npos);
}

TEST_P(StepMounts, discards_the_result_when_a_mount_could_not_be_read) {
    auto from = stage();
    auto& layer = static_cast<test::DirectoryLayer&>(*from.layers[0]);
    add({.target = "/s", .read_only = true}, {.snapshot = from});
    step_.arguments = {"/bin/sh", "-c", "echo x > /made; echo go; exit 1"};
    const auto runner = make_oci_runner(*store_, options_);
    const auto result = runner->run({.step = step_,
                                     .platform = platform_,
                                     .base = {.layers = {base_}},
                                     .mounts = mounts_,
                                     .output = [&](int, std::string_view) { ++layer.failed; },
                                     .cancel = {}});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, std::errc::io_error);
}

}  // namespace
}  // namespace lazybuild::exec
