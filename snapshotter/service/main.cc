// SPDX-License-Identifier: Apache-2.0
// lazy-snapshotter: the command line of the daemon. Exit codes: 0 done, 1 it failed, 2 the command
// line was wrong.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <string>

#include "base/log.h"
#include "fuse/host_support.h"
#include "snapshotter/service/check.h"
#include "snapshotter/service/config.h"
#include "snapshotter/service/daemon.h"

namespace lazybuild::service {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Options {
    std::optional<std::string> config_path;
    std::optional<std::string> root;
    std::optional<std::string> address;
    std::optional<std::string> keeper;
    bool check = false;
};

/// Defaults, then the file, then the command line. The default file need not be there.
Result<Config> effective_config(const Options& options) {
    ParsedConfig parsed;
    if (options.config_path || ::access(kDefaultConfigPath, F_OK) == 0) {
        TRY(parsed, read_config(options.config_path.value_or(kDefaultConfigPath)));
    }
    for (const std::string& warning : parsed.warnings) {
        log::warning(warning);
    }
    if (options.root) {
        parsed.config.root = *options.root;
    }
    if (options.address) {
        parsed.config.address = *options.address;
    }
    if (options.keeper) {
        parsed.config.keeper = *options.keeper;
    }
    CHECK_OK(check_config(parsed.config));
    return parsed.config;
}

int failed(const Error& error) {
    fmt::print(stderr, "lazy-snapshotter: {}\n", error.message);
    return kFailed;
}

int run(const Options& options) {
    const Result<Config> config = effective_config(options);
    if (!config) {
        return failed(config.error());
    }
    if (options.check) {
        const std::vector<fuse::HostFeature> features =
            fuse::probe_host(config->root, config->erofs_mounts);
        fmt::print("{}", check_report(features));
        return is_usable(features) ? 0 : kFailed;
    }
    const Result<void> ended = run_daemon(*config);
    return ended ? 0 : failed(ended.error());
}

}  // namespace

int main_in_namespace(int argc, char** argv) {
    const Config defaults;
    Options options;
    CLI::App app{"Serves container images to containerd before they have arrived."};
    app.name("lazy-snapshotter");
    app.option_defaults()->always_capture_default(false);
    app.set_version_flag("--version", "lazy-snapshotter " LAZYBUILD_VERSION);
    app.add_option("--config", options.config_path,
                   fmt::format("configuration file [{}, if it exists]", kDefaultConfigPath))
        ->type_name("FILE");
    app.add_option("--root", options.root,
                   fmt::format("where its state is kept [{}]", defaults.root))
        ->type_name("DIR");
    app.add_option("--address", options.address,
                   fmt::format("the socket that containerd connects to [{}]", defaults.address))
        ->type_name("SOCK");
    app.add_option("--keeper", options.keeper,
                   fmt::format("lazy-keeper's socket, or {} [{}]", kNoKeeper, defaults.keeper))
        ->type_name("SOCK");
    app.add_flag("--check", options.check,
                 "say what this kernel and host can do; exit 1 if it is not enough");
    app.footer(
        "Example: lazy-snapshotter --root /srv/lazy --address /run/lazy/lazy.sock\n"
        "Exit codes: 0 done, 1 it failed, 2 the command line was wrong.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& done) {  // --help, --version
        return app.exit(done);
    } catch (const CLI::ParseError& error) {
        fmt::print(stderr, "lazy-snapshotter: {}\nSee lazy-snapshotter --help.\n", error.what());
        return kUsage;
    }
    return run(options);
}

}  // namespace lazybuild::service

int main(int argc, char** argv) {
    return lazybuild::service::main_in_namespace(argc, argv);
}
