// SPDX-License-Identifier: Apache-2.0
// Steps on the layers that builds have: EROFS images in a LayerStore.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "builder/exec/oci_runner.h"
#include "builder/exec/runtime.h"
#include "tests/unit/layers/store_fixture.h"

namespace lazybuild::exec {
namespace {

class RealLayersRunner : public layers::test::StoreTest {
  protected:
    void SetUp() override {
        constexpr const char* kBusybox = "/bin/busybox";
        if (::geteuid() != 0 || ::access(kBusybox, X_OK) != 0 || !Runtime::find("")) {
            GTEST_SKIP() << "needs root, busybox-static and crun or runc";
        }
        if (::unshare(CLONE_NEWNS) != 0 ||
            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
            GTEST_SKIP() << "needs CAP_SYS_ADMIN to mount";
        }
        StoreTest::SetUp();
        constexpr std::uint64_t kBytesMax = 16 << 20;
        const auto busybox = read_file(kBusybox, kBytesMax);
        ASSERT_TRUE(busybox);
        layers::test::Making base{*store_};
        base.directory("bin").file("bin/busybox", *busybox, 0755).symlink("bin/sh", "busybox");
        base.directory("etc").file("etc/motd", "welcome");
        snapshot_.layers.push_back(base.finish());
        runner_ = make_oci_runner(*store_, {});
    }
    /// Runs a command on the snapshot; its layer, if there is one, comes on top.
    layers::LayerPointer run(const std::string& command) {
        graph::RunStep step{.arguments = {"/bin/sh", "-c", command},
                            .environment = {"PATH=/bin"},
                            .working_directory = "/",
                            .network = "none"};
        step.mounts = step_mounts_;
        output_.clear();
        const auto result =
            runner_->run({.step = step,
                          .platform = codec::host_platform(),
                          .base = snapshot_,
                          .mounts = mounts_,
                          .output = [this](int, std::string_view bytes) { output_ += bytes; },
                          .cancel = {}});
        EXPECT_TRUE(result) << result.error().message << "\n" << output_;
        if (result && result->layer != nullptr) {
            snapshot_.layers.push_back(result->layer);
        }
        return result ? result->layer : nullptr;
    }

    layers::Snapshot snapshot_;
    std::vector<graph::RunMount> step_mounts_;
    std::vector<solve::MountFiles> mounts_;
    std::unique_ptr<solve::StepRunner> runner_;
    std::string output_;
};

TEST_F(RealLayersRunner, builds_layer_upon_layer) {
    ASSERT_NE(run("echo one > /a; busybox rm /etc/motd"), nullptr);
    ASSERT_NE(run("busybox cat /a; busybox ls /etc; busybox mv /a /b"), nullptr);
    EXPECT_EQ(output_, "one\nhosts\nresolv.conf\n");
    EXPECT_EQ(run("busybox ls -d /a 2> /dev/null || busybox cat /b"), nullptr);
    EXPECT_EQ(output_, "one\n");
    const auto build = store_->build_directory();
    ASSERT_TRUE(build);
    for (const auto& entry : std::filesystem::directory_iterator{*build}) {
        EXPECT_FALSE(entry.path().filename().string().starts_with("run-")) << entry.path();
    }
}

TEST_F(RealLayersRunner, makes_the_same_layer_again) {
    const std::string command = "echo x > /f; busybox touch -d @1000000 /f";
    const auto first = run(command);
    snapshot_.layers.pop_back();
    const auto second = run(command);
    ASSERT_NE(first, nullptr);
    ASSERT_NE(second, nullptr);
    EXPECT_EQ(first->id(), second->id());
}

TEST_F(RealLayersRunner, leaves_out_what_did_not_change) {
    EXPECT_EQ(run("busybox chmod 0755 /bin/busybox; busybox chown -R 0:0 /bin /etc/motd"), nullptr);
}

TEST_F(RealLayersRunner, mounts_layers_into_a_step) {
    layers::test::Making stage{*store_};
    stage.directory("dir").file("dir/file", "staged");
    step_mounts_ = {{.target = "/s", .source = "dir", .read_only = true}, {.target = "/empty"}};
    mounts_ = {{.snapshot = layers::Snapshot{.layers = {stage.finish()}}},
               {.snapshot = layers::Snapshot{}}};
    EXPECT_EQ(run("busybox cat /s/file; echo x > /empty/f; busybox ls /empty"), nullptr);
    EXPECT_EQ(output_, "stagedf\n");
}

}  // namespace
}  // namespace lazybuild::exec
