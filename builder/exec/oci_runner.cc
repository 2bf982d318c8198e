// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/oci_runner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/file.h"
#include "builder/exec/foreign_platform.h"
#include "builder/exec/mount_points.h"
#include "builder/exec/run_directory.h"
#include "builder/exec/runtime.h"
#include "builder/exec/runtime_spec.h"
#include "builder/exec/secret_mask.h"
#include "builder/exec/step_mounts.h"
#include "builder/exec/upper_reader.h"
#include "builder/exec/user.h"

namespace lazybuild::exec {
namespace {

using layers::LayerPointer;

constexpr std::uint64_t kHostFileBytesMax = 1 << 20;
constexpr const char* kFailed = "did not complete successfully";
constexpr const char* kHostName = "buildkitsandbox";  // BuildKit's; scripts have seen no other

std::uint64_t failed_reads(const std::vector<LayerPointer>& layers) {
    std::uint64_t sum = 0;
    for (const LayerPointer& layer : layers) {
        sum += layer->failed_reads();
    }
    return sum;
}

std::string hosts_text(const RunnerOptions& options, const std::string& host_name) {
    std::string text = fmt::format(
        "127.0.0.1\tlocalhost {0}\n::1\tlocalhost ip6-localhost ip6-loopback\n", host_name);
    for (const auto& [name, address] : options.extra_hosts) {
        text += fmt::format("{}\t{}\n", address, name);
    }
    return text;
}

/// The host's name servers: the network is the host's too.
std::string resolver_text() {
    return read_file("/etc/resolv.conf", kHostFileBytesMax).value_or("");
}

/// One RUN, from its layers to its layer.
class Step {
  public:
    Step(const solve::RunRequest& request, layers::LayerStore& store, const RunnerOptions& options,
         const Runtime& runtime, RunDirectory& directory)
        : request_(request),
          store_(store),
          options_(options),
          runtime_(runtime),
          directory_(directory),
          base_(store.view(request.base)) {}

    Result<solve::RunResult> run() {
        CHECK_OK(mount_root());
        TRY(MountPoints points, MountPoints::open(root_));
        CHECK_OK(write_spec(points));
        const std::vector<LayerPointer> layers = all_layers();
        const std::uint64_t failed_before = failed_reads(layers);
        ProcessRequest process =
            runtime_.run_request(directory_.private_path(), directory_.private_path(), "run");
        SecretMask mask{mounts_.secrets, request_.output};
        process.output = [&mask](int stream, std::string_view bytes) { mask.write(stream, bytes); };
        process.cancel = request_.cancel;
        const auto ended = run_process(process);
        mask.finish();
        TRY(const int exit_code, ended);
        // What a command made of bytes that it was not given is worth nothing, whatever it says.
        if (const std::uint64_t failed = failed_reads(layers) - failed_before; failed > 0) {
            return fail(Error{std::errc::io_error, fmt::format("{}: {} reads of its layers failed",
                                                               command_text(), failed)});
        }
        CHECK_OK(check_exit(exit_code));
        mounts_ = {};
        CHECK_OK(directory_.unmount());
        TRY(LayerPointer layer,
            read_upper({.upper = upper_, .below = *base_, .made_by_us = points.made()},
                       [this] { return store_.make_layer(); }));
        return solve::RunResult{.layer = std::move(layer)};
    }

    /// Caches whose layers could not be read.
    std::vector<CachePlace> lost_caches() const {
        std::vector<CachePlace> lost;
        for (const CacheMount& cache : mounts_.caches) {
            if (cache.layered != nullptr && cache.layered->failed_reads() > cache.failed_before) {
                lost.push_back(cache.place);
            }
        }
        return lost;
    }

  private:
    Result<void> mount_root() {
        TRY(root_, directory_.directory("root"));
        upper_ = directory_.path() + "/upper";
        return directory_.mount_snapshot(request_.base, {.target = root_,
                                                         .writable = true,
                                                         .upper = upper_,
                                                         .work = directory_.path() + "/work",
                                                         .devices = request_.step.insecure});
    }

    Result<void> write_spec(MountPoints& points) {
        const graph::RunStep& step = request_.step;
        SpecOptions spec{.root = root_,
                         .arguments = step.arguments,
                         .environment = step.environment,
                         .working_directory = step.working_directory,
                         .user = {},
                         .host_name = step.host_name.empty() ? kHostName : step.host_name,
                         .insecure = step.insecure,
                         .private_network = step.network == "none",
                         .mounts = {},
                         .ulimits = options_.ulimits,
                         .shm_bytes = options_.shm_bytes,
                         .architecture = codec::host_platform().architecture,
                         .mount_program = runtime_.mount_program()};
        auto user = find_user(step.user, *base_);
        if (!user) {
            return fail(std::move(user).error().context(command_text() + " " + kFailed));
        }
        spec.user = *std::move(user);
        for (const auto& [name, value] : step.proxies) {
            spec.environment.push_back(name + "=" + value);
        }
        if (step.working_directory.find_first_not_of('/') != std::string::npos) {
            TRY(const std::string resolved, resolve_target(*base_, step.working_directory));
            CHECK_OK(points.make_lasting(resolved));
        }
        for (const char* name : {"proc", "sys", "dev"}) {
            CHECK_OK(points.make(name, MountPoints::Kind::directory));
        }
        CHECK_OK(add_file("/etc/hosts", hosts_text(options_, spec.host_name), points, spec));
        CHECK_OK(add_file("/etc/resolv.conf", resolver_text(), points, spec));
        if (step.script) {
            TRY(const std::string path, write_private(step.script->content, 0755));
            spec.mounts.push_back(
                {.target = "/dev/pipes/" + step.script->name, .source = path, .read_only = true});
        }
        TRY(mounts_, prepare_step_mounts({.run = request_,
                                          .options = options_,
                                          .store = store_,
                                          .directory = directory_,
                                          .base = *base_,
                                          .root = points,
                                          .layered_caches = options_.layered_caches}));
        std::ranges::move(mounts_.mounts, std::back_inserter(spec.mounts));
        std::ranges::move(mounts_.environment, std::back_inserter(spec.environment));
        TRY(const std::string text, runtime_spec(spec));
        TRY(const Fd file, open_file(directory_.private_path() + "/config.json",
                                     O_WRONLY | O_CREAT | O_EXCL, 0600));
        return write_all(file.get(), as_bytes(text));
    }

    /// A file of ours that every container has at `target`.
    Result<void> add_file(const std::string& target, const std::string& content,
                          MountPoints& points, SpecOptions& spec) {
        TRY(const std::string path, write_private(content, 0644));
        TRY(const std::string resolved, resolve_target(*base_, target));
        CHECK_OK(points.make(resolved, MountPoints::Kind::file));
        spec.mounts.push_back({.target = "/" + resolved, .source = path, .read_only = true});
        return {};
    }

    Result<std::string> write_private(const std::string& content, unsigned mode) {
        TRY(std::string path, directory_.private_directory("file"));
        path += "/content";
        TRY(const Fd file, open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
        CHECK_OK(write_all(file.get(), as_bytes(content)));
        if (::fchmod(file.get(), mode) != 0) {
            return fail(errno_error("chmod " + path));
        }
        return path;
    }

    std::vector<LayerPointer> all_layers() const {
        std::vector<LayerPointer> all = request_.base.layers;
        all.insert(all.end(), mounts_.layers.begin(), mounts_.layers.end());
        return all;
    }

    std::string command_text() const {
        return fmt::format("process \"{}\"", fmt::join(request_.step.arguments, " "));
    }

    Result<void> check_exit(int exit_code) const {
        if (exit_code == 0) {
            return {};
        }
        const std::string failed = fmt::format("{} {}: ", command_text(), kFailed);
        if (const auto complaint = Runtime::complaint(directory_.private_path())) {
            return fail(Error{std::errc::executable_format_error,
                              failed + runtime_.name() + ": " + *complaint});
        }
        return fail(
            Error{std::errc::protocol_error, failed + fmt::format("exit code: {}", exit_code)});
    }

    const solve::RunRequest& request_;
    layers::LayerStore& store_;
    const RunnerOptions& options_;
    const Runtime& runtime_;
    RunDirectory& directory_;
    std::unique_ptr<layers::FileSource> base_;
    std::string root_, upper_;
    StepMounts mounts_;
};

class OciRunner final : public solve::StepRunner {
  public:
    OciRunner(layers::LayerStore& store, RunnerOptions options)
        : store_(store), options_(std::move(options)) {}

    Result<solve::RunResult> run(const solve::RunRequest& request) override {
        CHECK_OK(options_.entitlements.check(request.step));
        CHECK_OK(check_platform(request.platform));
        if (::geteuid() != 0) {
            return fail(Error{std::errc::not_supported,
                              "RUN needs root: its layers are mounted; run lazybuild as root"});
        }
        if (request.cancel.cancelled()) {
            return fail(Error{std::errc::operation_canceled, "cancelled"});
        }
        TRY(const Runtime runtime, find_runtime());
        TRY(const std::string build, store_.build_directory());
        for (;;) {
            std::vector<CachePlace> lost;
            auto result = attempt(request, runtime, build, lost);
            if (lost.empty() || request.cancel.cancelled()) {
                return result;
            }
            // A cache is only a cache: once more, with it empty. It is not lost twice.
            for (const CachePlace& cache : lost) {
                CHECK_OK(options_.layered_caches->give_up(cache, "its layers cannot be read",
                                                          request.cancel));
            }
        }
    }

  private:
    Result<solve::RunResult> attempt(const solve::RunRequest& request, const Runtime& runtime,
                                     const std::string& build, std::vector<CachePlace>& lost) {
        TRY(RunDirectory directory,
            RunDirectory::make(fmt::format("{}/run-{}", build, next_++), store_));
        auto result = [&] {
            Step step{request, store_, options_, runtime, directory};
            auto ran = step.run();
            lost = step.lost_caches();
            return ran;
        }();
        auto closed = directory.close();
        if (result && !closed) {
            return fail(std::move(closed).error());
        }
        return result;
    }

    Result<Runtime> find_runtime() {
        const std::scoped_lock lock{mutex_};
        if (!runtime_) {
            TRY(runtime_, Runtime::find(options_.runtime));
        }
        return *runtime_;
    }

    layers::LayerStore& store_;
    const RunnerOptions options_;
    std::atomic<unsigned> next_ = 0;
    std::mutex mutex_;  // guards runtime_
    std::optional<Runtime> runtime_;
};

}  // namespace

std::unique_ptr<solve::StepRunner> make_oci_runner(layers::LayerStore& store,
                                                   RunnerOptions options) {
    return std::make_unique<OciRunner>(store, std::move(options));
}

}  // namespace lazybuild::exec
