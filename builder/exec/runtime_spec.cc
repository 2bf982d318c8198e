// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/runtime_spec.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <utility>

#include "builder/exec/seccomp_profile.h"

namespace lazybuild::exec {
namespace {

using Json = nlohmann::json;

/// By number, as <linux/capability.h>.
constexpr std::array<const char*, 41> kCapabilities = {"CAP_CHOWN",
                                                       "CAP_DAC_OVERRIDE",
                                                       "CAP_DAC_READ_SEARCH",
                                                       "CAP_FOWNER",
                                                       "CAP_FSETID",
                                                       "CAP_KILL",
                                                       "CAP_SETGID",
                                                       "CAP_SETUID",
                                                       "CAP_SETPCAP",
                                                       "CAP_LINUX_IMMUTABLE",
                                                       "CAP_NET_BIND_SERVICE",
                                                       "CAP_NET_BROADCAST",
                                                       "CAP_NET_ADMIN",
                                                       "CAP_NET_RAW",
                                                       "CAP_IPC_LOCK",
                                                       "CAP_IPC_OWNER",
                                                       "CAP_SYS_MODULE",
                                                       "CAP_SYS_RAWIO",
                                                       "CAP_SYS_CHROOT",
                                                       "CAP_SYS_PTRACE",
                                                       "CAP_SYS_PACCT",
                                                       "CAP_SYS_ADMIN",
                                                       "CAP_SYS_BOOT",
                                                       "CAP_SYS_NICE",
                                                       "CAP_SYS_RESOURCE",
                                                       "CAP_SYS_TIME",
                                                       "CAP_SYS_TTY_CONFIG",
                                                       "CAP_MKNOD",
                                                       "CAP_LEASE",
                                                       "CAP_AUDIT_WRITE",
                                                       "CAP_AUDIT_CONTROL",
                                                       "CAP_SETFCAP",
                                                       "CAP_MAC_OVERRIDE",
                                                       "CAP_MAC_ADMIN",
                                                       "CAP_SYSLOG",
                                                       "CAP_WAKE_ALARM",
                                                       "CAP_BLOCK_SUSPEND",
                                                       "CAP_AUDIT_READ",
                                                       "CAP_PERFMON",
                                                       "CAP_BPF",
                                                       "CAP_CHECKPOINT_RESTORE"};

constexpr std::array<std::string_view, 14> kDefaultCapabilities = {
    "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
    "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
    "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
    "CAP_KILL",    "CAP_AUDIT_WRITE"};

constexpr std::array<const char*, 10> kMaskedPaths = {
    "/proc/acpi",          "/proc/asound",     "/proc/kcore",       "/proc/keys",
    "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
    "/sys/firmware",       "/proc/scsi"};
constexpr std::array<const char*, 5> kReadOnlyPaths = {"/proc/bus", "/proc/fs", "/proc/irq",
                                                       "/proc/sys", "/proc/sysrq-trigger"};
constexpr std::array<std::string_view, 6> kDevices = {"null",   "zero",    "full",
                                                      "random", "urandom", "tty"};

/// None that we lack ourselves: a runtime in a container could not give them.
Json capabilities(bool all) {
    Json names = Json::array();
    for (std::size_t number = 0; number < kCapabilities.size(); ++number) {
        const bool wanted = all || std::ranges::find(kDefaultCapabilities, kCapabilities[number]) !=
                                       kDefaultCapabilities.end();
        if (wanted && ::prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1) {
            names.push_back(kCapabilities[number]);
        }
    }
    return {{"bounding", names}, {"permitted", names}, {"effective", names}};
}

Json list_of(std::span<const char* const> texts) {
    Json list = Json::array();
    for (const char* text : texts) {
        list.push_back(text);
    }
    return list;
}

Json allow(std::span<const char* const> names) {
    return {{"names", list_of(names)}, {"action", "SCMP_ACT_ALLOW"}};
}

Json refuse(std::span<const char* const> names, int error_number) {
    return {{"names", list_of(names)}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", error_number}};
}

Json allow_when(const char* name, Json condition) {
    Json rule = allow({&name, 1});
    rule["args"] = Json::array();
    rule["args"].push_back(std::move(condition));
    return rule;
}

Json seccomp(const std::string& architecture) {
    Json calls = Json::array();
    calls.push_back(allow(seccomp_allowed()));
    if (const auto more = seccomp_allowed_on(architecture); !more.empty()) {
        calls.push_back(allow(more));
    }
    // Linux, BSD and SVR4 personalities, with and without 32 bit, and asking for the current one.
    for (const std::uint32_t personality : {0x0U, 0x8U, 0x20000U, 0x20008U, 0xffffffffU}) {
        calls.push_back(allow_when("personality",
                                   {{"index", 0}, {"value", personality}, {"op", "SCMP_CMP_EQ"}}));
    }
    // No new namespaces. clone3's flags are behind a pointer: ENOSYS makes libc use clone.
    constexpr unsigned kNamespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                     CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;
    calls.push_back(allow_when(
        "clone",
        {{"index", 0}, {"value", kNamespaces}, {"valueTwo", 0}, {"op", "SCMP_CMP_MASKED_EQ"}}));
    constexpr const char* kClone3 = "clone3";
    calls.push_back(refuse({&kClone3, 1}, ENOSYS));
    calls.push_back(refuse(seccomp_denied(), EPERM));
    return {{"defaultAction", "SCMP_ACT_ERRNO"},
            {"defaultErrnoRet", ENOSYS},
            {"architectures", list_of(seccomp_architectures(architecture))},
            {"syscalls", std::move(calls)}};
}

Json mount(const std::string& target, const char* type, const std::string& source,
           std::vector<std::string> mount_options) {
    return {{"destination", target},
            {"type", type},
            {"source", source},
            {"options", std::move(mount_options)}};
}

Json mounts(const SpecOptions& options) {
    const char* access = options.insecure ? "rw" : "ro";
    Json list = Json::array();
    list.push_back(mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
    std::vector<std::string> device_options = {"nosuid", "strictatime", "mode=755", "size=65536k"};
    if (!options.insecure) {
        device_options.emplace_back("nodev");
    }
    list.push_back(mount("/dev", "tmpfs", "tmpfs", device_options));
    list.push_back(
        mount("/dev/pts", "devpts", "devpts",
              {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
    list.push_back(mount(
        "/dev/shm", "tmpfs", "shm",
        {"nosuid", "noexec", "nodev", "mode=1777", fmt::format("size={}", options.shm_bytes)}));
    list.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
    list.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access}));
    if (!options.insecure) {
        for (const std::string_view device : kDevices) {
            const std::string path = fmt::format("/dev/{}", device);
            list.push_back(mount(path, "bind", path, {"bind", "nosuid", "noexec"}));
        }
    }
    for (const SpecMount& added : options.mounts) {
        std::vector<std::string> added_options = {added.read_only ? "ro" : "rw"};
        if (!options.insecure) {
            added_options.emplace_back("nodev");
        }
        if (!added.source.empty()) {
            added_options.emplace_back("rbind");
            list.push_back(mount(added.target, "bind", added.source, std::move(added_options)));
            continue;
        }
        added_options.emplace_back("nosuid");
        if (added.size_bytes > 0) {
            added_options.push_back(fmt::format("size={}", added.size_bytes));
        }
        list.push_back(mount(added.target, "tmpfs", "tmpfs", std::move(added_options)));
    }
    return list;
}

Json rlimits(const std::vector<Ulimit>& ulimits) {
    const auto value = [](std::int64_t limit) {
        return limit < 0 ? std::numeric_limits<std::uint64_t>::max()
                         : static_cast<std::uint64_t>(limit);
    };
    Json list = Json::array();
    for (const Ulimit& limit : ulimits) {
        std::string name = "RLIMIT_";
        for (const char letter : limit.name) {
            name += static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
        }
        list.push_back({{"type", name}, {"soft", value(limit.soft)}, {"hard", value(limit.hard)}});
    }
    return list;
}

Json namespaces(bool private_network) {
    Json list = Json::array();
    for (const char* type : {"pid", "mount", "ipc", "uts", "cgroup", "network"}) {
        if (private_network || type != std::string_view{"network"}) {
            list.push_back(Json::object({{"type", type}}));
        }
    }
    return list;
}

}  // namespace

Result<std::string> runtime_spec(const SpecOptions& options) {
    Json process = {
        {"args", options.arguments},
        {"env", options.environment},
        {"cwd", options.working_directory},
        {"noNewPrivileges", false},
        {"capabilities", capabilities(options.insecure)},
        {"rlimits", rlimits(options.ulimits)},
        {"user",
         {{"uid", options.user.uid},
          {"gid", options.user.gid},
          {"umask", 022},
          {"additionalGids", options.user.groups}}},
    };
    Json in_linux = {{"namespaces", namespaces(options.private_network)}};
    if (!options.insecure) {
        in_linux["maskedPaths"] = list_of(kMaskedPaths);
        in_linux["readonlyPaths"] = list_of(kReadOnlyPaths);
        if (!seccomp_architectures(options.architecture).empty()) {
            in_linux["seccomp"] = seccomp(options.architecture);
        }
    }
    Json hooks = Json::object();
    if (!options.insecure) {
        // A hook that does not read what it is told breaks crun's pipe.
        const std::vector<std::string> arguments = {
            "sh",
            "-c",
            "while read -r state; do :; done; exec \"$1\" -n -o remount,bind,nodev \"$2\"",
            "sh",
            options.mount_program,
            options.root};
        hooks["createContainer"] = Json::array();
        hooks["createContainer"].push_back({{"path", "/bin/sh"}, {"args", arguments}});
    }
    const Json whole = {
        {"ociVersion", "1.0.2"},         {"root", {{"path", options.root}}},
        {"hostname", options.host_name}, {"process", std::move(process)},
        {"mounts", mounts(options)},     {"linux", std::move(in_linux)},
        {"hooks", std::move(hooks)},
    };
    std::string text = whole.dump(-1, ' ', false, Json::error_handler_t::ignore);
    const Json again = Json::parse(text, nullptr, false);
    if (again != whole) {  // dump left out what it could not write
        return fail(corrupt("a RUN's arguments and variables must be UTF-8"));
    }
    return text;
}

std::vector<std::string> default_mount_targets() {
    return {"/proc", "/dev", "/sys"};
}

}  // namespace lazybuild::exec
