// SPDX-License-Identifier: Apache-2.0
// Neither runtime is let near cgroups: a step has no limits that would need one, and a cgroup
// outlives a runtime that is killed. crun can be told so, and must then not see what hosts with v1
// or with both versions have, which it refuses to work with. runc tries anyway, and goes on without
// when it may (`--rootless`, which means just that) and the file system is read-only.
//
// A cgroup would also have kept a step from the host's devices, for it may make device nodes
// (CAP_MKNOD) and an image may bring some. Here every mount of a step is `nodev` instead. crun
// (1.8.1) takes that from the root when it remounts it; a hook of ours gives it back.
#include "builder/exec/runtime.h"

#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>

#include "base/file.h"

namespace lazybuild::exec {
namespace {

constexpr std::uint64_t kLogBytesMax = 1 << 20;
constexpr std::string_view kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin";

std::optional<std::string> find_on_path(std::string_view program) {
    const char* variable = std::getenv("PATH");
    std::string_view directories = variable != nullptr ? variable : kDefaultPath;
    while (!directories.empty()) {
        const std::size_t colon = directories.find(':');
        const std::string_view directory = directories.substr(0, colon);
        const std::string candidate = std::string{directory} + "/" + std::string{program};
        // A relative entry would make the program depend on where we are started.
        if (directory.starts_with('/') && ::access(candidate.c_str(), X_OK) == 0) {
            return candidate;
        }
        directories.remove_prefix(colon == std::string_view::npos ? directories.size() : colon + 1);
    }
    return std::nullopt;
}

bool host_has_cgroup2_alone() {
    struct statfs status{};
    return ::statfs("/sys/fs/cgroup", &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC;
}

std::string log_path(const std::string& private_directory) {
    return private_directory + "/log";
}

}  // namespace

Result<std::string> Runtime::find_path(const std::string& wanted) {
    if (wanted.contains('/')) {
        if (::access(wanted.c_str(), X_OK) != 0) {
            return fail(errno_error("runtime " + wanted));
        }
        std::error_code ignored;
        return std::filesystem::absolute(wanted, ignored).string();
    }
    const std::vector<std::string> names =
        wanted.empty() ? std::vector<std::string>{"crun", "runc"} : std::vector{wanted};
    for (const std::string& name : names) {
        if (auto path = find_on_path(name)) {
            return *std::move(path);
        }
    }
    return fail(Error{std::errc::no_such_file_or_directory,
                      wanted.empty() ? "RUN needs crun or runc, and PATH has neither: install crun"
                                     : "runtime " + wanted + ": not found on PATH"});
}

Result<Runtime> Runtime::find(const std::string& wanted) {
    TRY(std::string path, find_path(wanted));
    auto mount_program = find_on_path("mount");
    if (!mount_program) {
        return fail(Error{std::errc::no_such_file_or_directory,
                          "RUN needs the program mount, and PATH does not have it"});
    }
    return Runtime{std::move(path), *std::move(mount_program)};
}

std::string Runtime::name() const {
    return path_.substr(path_.rfind('/') + 1);
}

ProcessRequest Runtime::run_request(const std::string& bundle, const std::string& private_directory,
                                    const std::string& container) const {
    const bool is_crun = name().starts_with("crun");
    ProcessRequest request;
    request.arguments = {path_,          is_crun ? "--cgroup-manager=disabled" : "--rootless=true",
                         "--root",       private_directory + "/state",
                         "--log",        log_path(private_directory),
                         "--log-format", "json",
                         "run",          "--bundle",
                         bundle,         container};
    request.environment = {"PATH=" + std::string{kDefaultPath} + ":/sbin:/bin"};
    request.cgroups =
        is_crun && !host_has_cgroup2_alone() ? CgroupView::none : CgroupView::read_only;
    return request;
}

std::optional<std::string> Runtime::complaint(const std::string& private_directory) {
    const auto text = read_file(log_path(private_directory), kLogBytesMax);
    std::optional<std::string> last;
    for (std::string_view rest = text ? std::string_view{*text} : ""; !rest.empty();) {
        const std::size_t line_bytes = std::min(rest.find('\n'), rest.size());
        const auto line = nlohmann::json::parse(rest.substr(0, line_bytes), nullptr, false);
        rest.remove_prefix(std::min(line_bytes + 1, rest.size()));
        const auto level = line.is_object() ? line.find("level") : line.end();
        const auto message = line.is_object() ? line.find("msg") : line.end();
        if (level != line.end() && message != line.end() && message->is_string() &&
            (*level == "error" || *level == "fatal")) {
            last = message->get<std::string>();
        }
    }
    return last;
}

}  // namespace lazybuild::exec
