// SPDX-License-Identifier: Apache-2.0
// lazybuild: the command line. What can be typed is defined here and nowhere else; each command is
// a function of its arguments and a image::Console.
#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "base/suggest.h"
#include "builder/cli/build_flags.h"
#include "builder/cli/cmd_build.h"
#include "builder/cli/cmd_cache.h"
#include "builder/cli/cmd_cache_verify.h"
#include "builder/cli/cmd_convert.h"
#include "builder/cli/cmd_copy.h"
#include "builder/cli/cmd_diff.h"
#include "builder/cli/cmd_images.h"
#include "builder/cli/cmd_inspect.h"
#include "builder/cli/cmd_mount.h"
#include "builder/cli/cmd_pull.h"
#include "builder/cli/cmd_verify.h"
#include "builder/cli/process_console.h"
#include "codec/layer_format.h"

namespace lazybuild::cli {
namespace {

constexpr const char* kPlaces =
    "Images are at [docker://][HOST[:PORT]/]NAME[:TAG][@DIGEST], oci:DIRECTORY[:TAG],\n"
    "oci-archive:FILE[:TAG] or docker-archive:FILE[:TAG]; archives can only be read.\n";

CLI::App* add_convert(CLI::App& app, ConvertArgs& args) {
    CLI::App* command = app.add_subcommand("convert", "Make an image lazy: convert every layer");
    command->add_option("SRC", args.source, "The image to convert")->required();
    command->add_option("DST", args.target, "Where the result goes")->required();
    command->add_option("--format", args.format, "Format of the layers")
        ->check(CLI::IsMember(codec::writable_format_names()))
        ->capture_default_str();
    CLI::Option* platform =
        command->add_option("--platform", args.platform, "Which image of an index [the host's]")
            ->type_name("OS/ARCH");
    command->add_flag("--all-platforms", args.all_platforms, "All images of an index, as an index")
        ->excludes(platform);
    command
        ->add_option("--prioritize", args.prioritize,
                     "Paths, one a line, that containers read first, in their order")
        ->type_name("FILE");
    command->add_option("--level", args.level, "Compression: 0 is fast, 12 is small")
        ->check(CLI::Range(codec::kMemberLevelMin, codec::kMemberLevelMax))
        ->capture_default_str();
    command->add_option("--chunk-size", args.chunk_size_bytes, "Bytes of large files in one chunk")
        ->check(CLI::Range(4096, 64 << 20))
        ->capture_default_str();
    command
        ->add_option("--min-chunk-size", args.min_chunk_size_bytes,
                     "Bytes up to which small files share a chunk; 0 is for all readers")
        ->check(CLI::Range(0, 64 << 20))
        ->capture_default_str();
    command->add_option("--jobs", args.jobs, "Threads that compute [as many as processors]")
        ->check(CLI::Range(std::size_t{1}, image::kJobsMax));
    add_registry_flags(*command, args.registry);
    command->footer(std::string(kPlaces) +
                    "Layers that are eStargz already are kept. The result is the same each time.\n"
                    "\n"
                    "Examples:\n"
                    "  lazybuild convert docker.io/library/python:3.11 registry:5000/python:lazy\n"
                    "  lazybuild convert oci:in:latest oci:out:latest --platform linux/arm64\n"
                    "  lazybuild convert app:1 app:1-lazy --all-platforms --prioritize used.txt");
    return command;
}

CLI::App* add_copy(CLI::App& app, CopyArgs& args) {
    CLI::App* command = app.add_subcommand("copy", "Copy an image as it is; digests stay the same");
    command->add_option("SRC", args.source, "The image to copy")->required();
    command->add_option("DST", args.target, "Where it goes")->required();
    command->add_option("--platform", args.platform, "Only this image of an index [all]")
        ->type_name("OS/ARCH");
    add_registry_flags(*command, args.registry);
    command->footer(std::string(kPlaces) +
                    "\n"
                    "Examples:\n"
                    "  lazybuild copy docker.io/library/debian:12 registry:5000/debian:12\n"
                    "  lazybuild copy registry:5000/app:1 oci:app:1 --platform linux/amd64\n"
                    "  lazybuild copy docker-archive:saved.tar registry:5000/app:2");
    return command;
}

CLI::App* add_inspect(CLI::App& app, InspectArgs& args) {
    CLI::App* command =
        app.add_subcommand("inspect", "Show manifest, config, layers, and which are lazy");
    command->add_option("REF", args.image, "The image")->required();
    command->add_option("--platform", args.platform, "Which image of an index [the host's]")
        ->type_name("OS/ARCH");
    command->add_flag("--toc", args.toc, "The files of each eStargz layer, from its TOC");
    command->add_flag("--json", args.json, "For programs");
    add_registry_flags(*command, args.registry);
    command->footer(std::string(kPlaces) +
                    "\n"
                    "Examples:\n"
                    "  lazybuild inspect registry:5000/python:lazy\n"
                    "  lazybuild inspect oci:out:latest --toc\n"
                    "  lazybuild inspect --json registry:5000/app:1 | jq '.layers[].lazy'");
    return command;
}

CLI::App* add_pull(CLI::App& app, PullArgs& args) {
    CLI::App* command = app.add_subcommand(
        "pull", "Pull into containerd, without the layers that the snapshotter takes lazily");
    command->add_option("REF", args.image, "The image, in a registry")->required();
    command->add_option("--containerd", args.containerd, "containerd's socket")
        ->type_name("SOCK")
        ->capture_default_str();
    command->add_option("--namespace", args.name_space, "containerd's namespace")
        ->type_name("NAME")
        ->capture_default_str();
    command->add_option("--snapshotter", args.snapshotter, "containerd's snapshotter")
        ->type_name("NAME")
        ->capture_default_str();
    command->add_option("--platform", args.platform, "Which image of an index [the host's]")
        ->type_name("OS/ARCH");
    add_registry_flags(*command, args.registry);
    command->footer(
        "--creds and the other registry options are for this command's own requests. The\n"
        "snapshotter fetches files later, by itself, with the credentials of its own docker\n"
        "config.json (and --plain-http, --cert-dir must be in its configuration too).\n"
        "\n"
        "Examples:\n"
        "  lazybuild pull registry:5000/python:lazy\n"
        "  ctr run --rm --snapshotter lazy registry:5000/python:lazy one python3 -V\n"
        "  lazybuild pull --namespace k8s.io --platform linux/arm64 registry:5000/app:1");
    return command;
}

void add_state_root(CLI::App& command, std::string& root) {
    command.add_option("--root", root, "Where lazybuild keeps its state; not tmpfs or overlayfs")
        ->type_name("DIR")
        ->capture_default_str();
}

CLI::App* add_cache_verify(CLI::App& cache, CacheVerifyArgs& args) {
    CLI::App* command =
        cache.add_subcommand("verify", "Whether the layers of all records can still be had");
    command
        ->add_option("--cache-from", args.cache_from,
                     "Of this cache, as build would import it [the store's records]")
        ->type_name("CACHE");
    command->add_flag("--full", args.full, "Read every byte that is here, or in the cache");
    command->add_flag("--json", args.json, "For programs");
    add_state_root(*command, args.root);
    add_registry_flags(*command, args.registry);
    command->footer(
        "What is not in the store is asked for where it should be, and never fetched; of a cache\n"
        "the index is read and each blob asked for, or, with --full, read and compared with what\n"
        "its records say. Nothing is written. The exit code is 1 when anything cannot be had.\n"
        "\n"
        "Examples:\n"
        "  lazybuild cache verify\n"
        "  lazybuild cache verify --cache-from registry:5000/app:cache\n"
        "  lazybuild cache verify --full --cache-from type=local,src=cache");
    return command;
}

struct CacheCommands {
    CLI::App* list;
    CLI::App* prune;
    CLI::App* explain;
    CLI::App* verify;
};

CacheCommands add_cache(CLI::App& app, CacheListArgs& list, CachePruneArgs& prune,
                        BuildArgs& explain, CacheVerifyArgs& verify) {
    CLI::App* command = app.add_subcommand("cache", "What builds have left, and what it takes");
    command->require_subcommand(1);
    CLI::App* ls = command->add_subcommand("ls", "Layers, blobs and caches, the last used first");
    ls->add_flag("--json", list.json, "For programs");
    add_state_root(*ls, list.root);
    CLI::App* remove = command->add_subcommand("prune", "Remove what no build uses at the moment");
    remove->add_option("--older", prune.older, "Only what was not used for so long: 90s, 24h, 7d")
        ->type_name("AGE");
    remove
        ->add_option("--keep,--keep-storage,--reserved-space", prune.keep,
                     "Stop when no more than this is left, the last used")
        ->type_name("BYTES");
    remove->add_flag("-a,--all", prune.all, "Cache mounts (RUN --mount=type=cache), too");
    remove->add_option("--filter", prune.filters, "type=KIND, as ls calls it; until=AGE")
        ->type_name("KEY=VALUE");
    remove->add_flag("-f,--force")->group("");  // of buildx: here nothing is asked
    add_state_root(*remove, prune.root);
    command->footer(
        "Images that are kept (lazybuild images) stay whole, and so do cache mounts unless they\n"
        "are asked for: --all, or --filter type=mount.\n"
        "\n"
        "Examples:\n"
        "  lazybuild cache ls\n"
        "  lazybuild cache prune --older 7d --keep 20g\n"
        "  lazybuild cache verify\n"
        "  lazybuild cache explain --cache-from registry:5000/app:cache .");
    return {.list = ls,
            .prune = remove,
            .explain = add_explain(*command, explain),
            .verify = add_cache_verify(*command, verify)};
}

CLI::App* add_mount(CLI::App& app, MountArgs& args) {
    CLI::App* command =
        app.add_subcommand("mount", "Mount an image lazily, read-only, without containerd");
    command->add_option("REF", args.image, "The image; every layer must be lazy")->required();
    command->add_option("DIR", args.directory, "An existing directory")->required();
    command->add_option("--platform", args.platform, "Which image of an index [the host's]")
        ->type_name("OS/ARCH");
    command->add_flag("--fill", args.fill, "Fetch the rest too, while nobody reads");
    command->add_flag("--foreground", args.foreground, "Serve from this process, until Ctrl-C");
    command->add_option("--ready-fd", args.ready_fd, "Descriptor to be told on")->group("");
    add_state_root(*command, args.root);
    add_registry_flags(*command, args.registry);
    command->footer(std::string(kPlaces) +
                    "A process in the background serves the image and ends when it is unmounted;\n"
                    "what was fetched goes with it. Needs root.\n"
                    "\n"
                    "Examples:\n"
                    "  lazybuild mount registry:5000/python:lazy /mnt\n"
                    "  lazybuild mount oci:out:latest /mnt --platform linux/arm64\n"
                    "  lazybuild umount /mnt");
    return command;
}

CLI::App* add_umount(CLI::App& app, UmountArgs& args) {
    CLI::App* command = app.add_subcommand("umount", "Unmount what lazybuild mount has mounted");
    command->add_option("DIR", args.directory, "Where it is")->required();
    command->add_flag("--lazy", args.lazy, "Even in use: it goes with its last user");
    add_state_root(*command, args.root);
    command->footer(
        "umount(8) does as well, unless the serving process was killed: this command then takes\n"
        "away what it has left.\n"
        "\n"
        "Examples:\n"
        "  lazybuild umount /mnt");
    return command;
}

CLI::App* add_verify(CLI::App& app, VerifyArgs& args) {
    CLI::App* command = app.add_subcommand("verify", "Check every digest, down to chunks of files");
    command->add_option("REF", args.image, "The image")->required();
    command->add_option("--platform", args.platform, "Which image of an index [the host's]")
        ->type_name("OS/ARCH");
    command->add_flag("--json", args.json, "For programs");
    add_registry_flags(*command, args.registry);
    command->footer(std::string(kPlaces) +
                    "Reads every layer once, and keeps nothing. One line on stdout for each layer\n"
                    "that holds, and for each thing that does not; the exit code is then 1.\n"
                    "\n"
                    "Examples:\n"
                    "  lazybuild verify registry:5000/python:lazy\n"
                    "  lazybuild verify oci:out:latest --platform linux/arm64\n"
                    "  lazybuild verify --json app:1 | jq '.layers[] | select(.holds | not)'");
    return command;
}

void add_build_root(CLI::App& command, std::string& root) {
    command.add_option("--root", root, "Where builds keep images")
        ->type_name("DIR")
        ->capture_default_str();
}

CLI::App* add_images(CLI::App& app, ImagesArgs& args) {
    CLI::App* command = app.add_subcommand("images", "List the images that builds have kept");
    command->add_option("--filter", args.filters, "Only those with this label; again: and this one")
        ->type_name("label=NAME[=VALUE]");
    command->add_flag("--json", args.json, "For programs");
    add_build_root(*command, args.root);
    command->footer(
        "SIZE is that of the layers' blobs, wherever they are.\n"
        "\n"
        "Examples:\n"
        "  lazybuild images\n"
        "  lazybuild images --filter label=team=web --json | jq -r '.[].name'");
    return command;
}

CLI::App* add_rmi(CLI::App& app, RemoveImagesArgs& args) {
    CLI::App* command = app.add_subcommand("rmi", "Forget images that builds have kept");
    command->add_option("NAME", args.names, "Names, or the digest that all names of an image share")
        ->required();
    add_build_root(*command, args.root);
    command->footer(
        "Prints what it has removed. Layers stay: they are the builds' cache.\n"
        "\n"
        "Examples:\n"
        "  lazybuild rmi app:1 registry:5000/app:2");
    return command;
}

CLI::App* add_diff(CLI::App& app, DiffArgs& args) {
    CLI::App* command = app.add_subcommand("diff", "Compare two images, file by file");
    command->add_option("A", args.before, "The image before, from anywhere")->required();
    command->add_option("B", args.after, "The image after")->required();
    command->add_option("--platform", args.platform, "Which image of an index [the host's]")
        ->type_name("OS/ARCH");
    command->add_flag("--ignore-times", args.ignore_times,
                      "Files that differ in their time alone are equal");
    command->add_flag("--json", args.json, "For programs");
    add_build_root(*command, args.root);
    add_registry_flags(*command, args.registry);
    command->footer(std::string(kPlaces) +
                    "A name that a build has kept is that image; docker://NAME is not.\n"
                    "Of lazy layers only tables of contents are read; others are read in full.\n"
                    "\n"
                    "Examples:\n"
                    "  lazybuild diff app:1 app:2\n"
                    "  lazybuild diff docker://registry:5000/app:1 oci:out:1 --ignore-times");
    return command;
}

std::vector<std::string> names_of(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
        names.push_back(command->get_name());
    }
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) {
            names.push_back("--" + name);
        }
    }
    return names;
}

// What nobody knows is the first thing that is left over, in the innermost command.
std::string unknown_word(const CLI::App& app, const CLI::App*& where) {
    where = &app;
    for (const CLI::App* command : app.get_subcommands()) {
        where = command;
    }
    const std::vector<std::string> left = app.remaining(true);
    return left.empty() ? "" : left.front();
}

ExitCode report_parse_error(const CLI::App& app, const CLI::ParseError& error,
                            image::Console& console) {
    const CLI::App* where = nullptr;
    const std::string word = unknown_word(app, where);
    const std::string place = where == &app ? "lazybuild" : "lazybuild " + where->get_name();
    std::string message = error.what();
    std::string suggestion;
    if (!word.empty()) {
        const bool option = word.starts_with("-");
        message = (option          ? "unknown option "
                   : where == &app ? "unknown command "
                                   : "too many arguments: ") +
                  word;
        suggestion = nearest(word.substr(0, word.find('=')), names_of(*where));
    }
    console.note(place + ": " + message);
    if (!suggestion.empty()) {
        console.note("  did you mean " + suggestion + "?");
    }
    console.note("  " + place + " --help says what there is");
    return ExitCode::usage;
}

ExitCode run_program(int argc, char** argv, ProcessConsole& console) {
    CLI::App app{"Container images that start before they have arrived.", "lazybuild"};
    app.set_version_flag("--version", "lazybuild " LAZYBUILD_VERSION);
    app.require_subcommand(0, 1);
    app.footer(
        "Examples:\n"
        "  lazybuild build -t registry:5000/app:1 --push .\n"
        "  lazybuild convert docker.io/library/python:3.11 registry:5000/python:lazy\n"
        "  lazybuild pull registry:5000/python:lazy\n"
        "  lazybuild COMMAND --help");
    BuildArgs build, explain;
    CacheListArgs cache_list;
    CachePruneArgs cache_prune;
    CacheVerifyArgs cache_verify;
    ConvertArgs convert;
    CopyArgs copy;
    DiffArgs diff;
    ImagesArgs images;
    RemoveImagesArgs rmi;
    InspectArgs inspect;
    MountArgs mount;
    PullArgs pull;
    UmountArgs umount;
    VerifyArgs verify;
    build.own_mount_namespace = explain.own_mount_namespace = true;
    mount.command_line.assign(argv, argv + argc);
    std::function<ExitCode()> chosen;
    add_build(app, build)->callback([&] { chosen = [&] { return run(build, console); }; });
    const CacheCommands cache = add_cache(app, cache_list, cache_prune, explain, cache_verify);
    cache.list->callback([&] { chosen = [&] { return run(cache_list, console); }; });
    cache.prune->callback([&] { chosen = [&] { return run(cache_prune, console); }; });
    cache.explain->callback([&] { chosen = [&] { return run(explain, console); }; });
    cache.verify->callback([&] { chosen = [&] { return run(cache_verify, console); }; });
    add_convert(app, convert)->callback([&] { chosen = [&] { return run(convert, console); }; });
    add_copy(app, copy)->callback([&] { chosen = [&] { return run(copy, console); }; });
    add_diff(app, diff)->callback([&] { chosen = [&] { return run(diff, console); }; });
    add_images(app, images)->callback([&] { chosen = [&] { return run(images, console); }; });
    add_rmi(app, rmi)->callback([&] { chosen = [&] { return run(rmi, console); }; });
    add_inspect(app, inspect)->callback([&] { chosen = [&] { return run(inspect, console); }; });
    add_mount(app, mount)->callback([&] { chosen = [&] { return run(mount, console); }; });
    add_pull(app, pull)->callback([&] { chosen = [&] { return run(pull, console); }; });
    add_umount(app, umount)->callback([&] { chosen = [&] { return run(umount, console); }; });
    add_verify(app, verify)->callback([&] { chosen = [&] { return run(verify, console); }; });
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForVersion& version) {
        console.out(std::string(version.what()) + "\n");
        return ExitCode::done;
    } catch (const CLI::Success& help) {
        app.exit(help);  // --help of whichever command
        return ExitCode::done;
    } catch (const CLI::ParseError& error) {
        return report_parse_error(app, error, console);
    }
    if (!chosen) {
        console.note(app.help());
        return ExitCode::usage;
    }
    return chosen();
}

}  // namespace
}  // namespace lazybuild::cli

int main(int argc, char** argv) {
    using lazybuild::cli::ExitCode;
    lazybuild::cli::ProcessConsole console;
    const ExitCode code = lazybuild::cli::run_program(argc, argv, console);
    if (code == ExitCode::done && !console.output_complete()) {
        console.note("lazybuild: cannot write to stdout");
        return static_cast<int>(ExitCode::failed);
    }
    return static_cast<int>(code);
}
