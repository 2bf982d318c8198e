// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/exec/run_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"

namespace lazybuild::exec::test {
namespace {

constexpr const char* kBusybox = "/bin/busybox";

}  // namespace

void RunTest::SetUp() {
    MountTest::SetUp();
    if (IsSkipped()) {
        return;
    }
    if (::access(kBusybox, X_OK) != 0) {
        GTEST_SKIP() << "needs busybox-static";
    }
    options_.runtime = GetParam();
    if (!Runtime::find(options_.runtime)) {
        GTEST_SKIP() << "needs " << options_.runtime;
    }
    image_ = directory("image");
    for (const char* name : {"bin", "etc", "tmp", "var"}) {
        directory(std::string{"image/"} + name);
    }
    std::filesystem::copy_file(kBusybox, image_ + "/bin/busybox");
    for (const char* applet : {"sh",    "cat",   "chmod", "cp",   "echo",     "env",     "grep",
                               "head",  "id",    "ip",    "ln",   "ls",       "mkdir",   "mkfifo",
                               "mknod", "mount", "mv",    "pwd",  "readlink", "rm",      "rmdir",
                               "sleep", "stat",  "touch", "true", "umount",   "unshare", "wc"}) {
        std::filesystem::create_symlink("busybox", image_ + "/bin/" + applet);
    }
    add_file("etc/passwd", "root:x:0:0::/root:/bin/sh\nmaker:x:1000:1001::/home/maker:/bin/sh\n");
    add_file("etc/group", "root:x:0:\nmaker:x:1001:\nwheel:x:10:root,maker\n");
    store_ = std::make_unique<FakeStore>(directory("store"));
    base_ = std::make_shared<DirectoryLayer>(image_, "image");
    platform_ = codec::host_platform();
    step_.environment = {"PATH=/bin"};
    step_.working_directory = "/";
    step_.network = "default";
}

RunTest::Outcome RunTest::run(const std::string& command) {
    graph::RunStep step = step_;
    step.arguments = {"/bin/sh", "-c", command};
    return run_step(step);
}

RunTest::Outcome RunTest::run_step(const graph::RunStep& step) {
    const auto runner = make_oci_runner(*store_, options_);
    Outcome outcome;
    outcome.result = runner->run({.step = step,
                                  .platform = platform_,
                                  .base = {.layers = {base_}},
                                  .mounts = mounts_,
                                  .output =
                                      [&outcome](int stream, std::string_view bytes) {
                                          (stream == 1 ? outcome.output : outcome.errors) += bytes;
                                      },
                                  .cancel = cancel_});
    EXPECT_TRUE(std::filesystem::is_empty(path("store/build"))) << "a run left something";
    return outcome;
}

std::string RunTest::directory(const std::string& name) {
    return make_directory(name);
}

void RunTest::add_file(const std::string& name, const std::string& content, unsigned mode) {
    const std::string whole = image_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path{whole}.parent_path());
    std::ofstream{whole} << content;
    EXPECT_EQ(::chmod(whole.c_str(), mode), 0) << whole;
}

layers::Snapshot RunTest::snapshot(const std::string& from, const std::string& name) {
    return {.layers = {std::make_shared<DirectoryLayer>(from, name)}};
}

std::size_t RunTest::processes_with(const std::string& word) {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
        constexpr std::uint64_t kBytesMax = 1 << 16;
        const auto arguments = read_file(entry.path().string() + "/cmdline", kBytesMax);
        count += arguments && arguments->contains(word) ? 1 : 0;
    }
    return count;
}

}  // namespace lazybuild::exec::test
