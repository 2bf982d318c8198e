// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/runtime_spec.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "builder/exec/seccomp_profile.h"

namespace lazybuild::exec {
namespace {

using Json = nlohmann::json;

SpecOptions options() {
    return {.root = "/r",
            .arguments = {"/bin/sh", "-c", "true"},
            .environment = {"A=1"},
            .working_directory = "/w",
            .user = {.uid = 5, .gid = 6, .groups = {6, 7}},
            .host_name = "h",
            .shm_bytes = 1 << 20,
            .architecture = "amd64",
            .mount_program = "/bin/mount"};
}

Json spec(const SpecOptions& from) {
    return Json::parse(runtime_spec(from).value());
}

bool has(const Json& list, const std::string& wanted) {
    return std::ranges::find(list, Json(wanted)) != list.end();
}

/// What the filter does with a call without arguments.
std::string action(const Json& seccomp, const std::string& call) {
    for (const Json& rule : seccomp.at("syscalls")) {
        if (has(rule.at("names"), call) && !rule.contains("args")) {
            return rule.at("action").get<std::string>() + std::to_string(rule.value("errnoRet", 0));
        }
    }
    return seccomp.at("defaultAction").get<std::string>() +
           std::to_string(seccomp.at("defaultErrnoRet").get<int>());
}

TEST(RuntimeSpec, says_what_the_step_says) {
    const Json whole = spec(options());
    EXPECT_EQ(whole.at("root").at("path"), "/r");
    EXPECT_EQ(whole.at("hostname"), "h");
    const Json& process = whole.at("process");
    EXPECT_EQ(process.at("args"), Json({"/bin/sh", "-c", "true"}));
    EXPECT_EQ(process.at("env"), Json::array({"A=1"}));
    EXPECT_EQ(process.at("cwd"), "/w");
    EXPECT_EQ(process.at("user").at("additionalGids"), Json({6, 7}));
    EXPECT_EQ(process.at("noNewPrivileges"), false);
}

TEST(RuntimeSpec, filters_system_calls_as_containerd_does) {
    const Json whole = spec(options());
    const Json& seccomp = whole.at("linux").at("seccomp");
    EXPECT_EQ(action(seccomp, "read"), "SCMP_ACT_ALLOW0");
    EXPECT_EQ(action(seccomp, "arch_prctl"), "SCMP_ACT_ALLOW0");
    EXPECT_EQ(action(seccomp, "mount"), "SCMP_ACT_ERRNO1");
    EXPECT_EQ(action(seccomp, "io_uring_setup"), "SCMP_ACT_ERRNO1");
    EXPECT_EQ(action(seccomp, "clone3"), "SCMP_ACT_ERRNO38");
    EXPECT_EQ(action(seccomp, "a_call_of_the_future"), "SCMP_ACT_ERRNO38");
    for (const char* allowed : seccomp_allowed()) {
        EXPECT_EQ(std::ranges::count(seccomp_denied(), std::string_view{allowed}), 0) << allowed;
    }
}

TEST(RuntimeSpec, knows_the_calls_of_arm) {
    SpecOptions arm = options();
    arm.architecture = "arm64";
    const Json whole = spec(arm);
    const Json& seccomp = whole.at("linux").at("seccomp");
    EXPECT_EQ(action(seccomp, "cacheflush"), "SCMP_ACT_ALLOW0");
    EXPECT_TRUE(has(seccomp.at("architectures"), "SCMP_ARCH_AARCH64"));
}

TEST(RuntimeSpec, has_no_filter_and_no_masks_for_insecure_steps) {
    SpecOptions insecure = options();
    insecure.insecure = true;
    const Json whole = spec(insecure);
    EXPECT_FALSE(whole.at("linux").contains("seccomp"));
    EXPECT_FALSE(whole.at("linux").contains("maskedPaths"));
    EXPECT_TRUE(whole.at("hooks").empty());
    EXPECT_FALSE(
        has(spec(options()).at("process").at("capabilities").at("effective"), "CAP_SYS_ADMIN"));
}

TEST(RuntimeSpec, lets_no_mount_have_devices) {
    SpecOptions with_mounts = options();
    with_mounts.mounts = {{.target = "/a", .source = "/host/a", .read_only = true},
                          {.target = "/t", .source = "", .size_bytes = 4096}};
    const Json whole = spec(with_mounts);
    for (const Json& mount : whole.at("mounts")) {
        const std::string target = mount.at("destination");
        const bool device = target.starts_with("/dev/") && mount.at("type") == "bind";
        // A devpts has only what the kernel puts there.
        EXPECT_TRUE(device || target == "/dev/pts" || has(mount.at("options"), "nodev")) << target;
    }
    EXPECT_TRUE(has(whole.at("mounts")[whole.at("mounts").size() - 2].at("options"), "ro"));
    EXPECT_TRUE(has(whole.at("mounts").back().at("options"), "size=4096"));
}

TEST(RuntimeSpec, has_a_network_namespace_only_when_asked) {
    const auto types = [](const Json& whole) {
        std::string all;
        for (const Json& one : whole.at("linux").at("namespaces")) {
            all += one.at("type").get<std::string>() + " ";
        }
        return all;
    };
    EXPECT_EQ(types(spec(options())), "pid mount ipc uts cgroup ");
    SpecOptions alone = options();
    alone.private_network = true;
    EXPECT_EQ(types(spec(alone)), "pid mount ipc uts cgroup network ");
}

TEST(RuntimeSpec, refuses_what_json_cannot_say) {
    SpecOptions strange = options();
    strange.arguments = {"\xff"};
    EXPECT_FALSE(runtime_spec(strange));
}

}  // namespace
}  // namespace lazybuild::exec
