// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/build_flags.h"

#include <string>
#include <vector>

namespace lazybuild::cli {
namespace {

/// An option that may be given several times, with one value each: `-t a -t b CONTEXT`.
CLI::Option* add_list(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                      const std::string& help, const std::string& type) {
    return command.add_option(name, values, help)->allow_extra_args(false)->type_name(type);
}

CLI::Option* add_text(CLI::App& command, const std::string& name, std::string& value,
                      const std::string& help, const std::string& type) {
    return command.add_option(name, value, help)->type_name(type);
}

void add_inputs(CLI::App& command, BuildArgs& args) {
    command.add_option("CONTEXT", args.context,
                       "A directory, a git or http(s) URL, or - for a tar or Dockerfile on stdin");
    add_text(command, "-f,--file", args.file,
             "The Dockerfile: a path, URL or - [CONTEXT/Dockerfile, CONTEXT/Containerfile]",
             "FILE");
    add_text(command, "--target", args.target, "Build this stage [the last one]", "STAGE");
    add_list(command, "--build-arg", args.build_arguments,
             "A value for ARG; NAME alone takes it from the environment", "NAME[=VALUE]");
    add_list(command, "--build-arg-file", args.build_argument_files,
             "Lines of NAME=VALUE; --build-arg wins", "FILE");
    add_list(command, "--build-context", args.contexts,
             "A directory, URL, docker-image://REF or oci-layout://DIR to use by NAME",
             "NAME=PLACE");
    add_list(command, "--platform", args.platforms,
             "Build for these (comma-separated or repeated); several make an index [the host's]",
             "OS/ARCH");
    add_text(command, "--ignorefile", args.ignore_file, "Instead of .dockerignore", "FILE");
    const std::string group = "What RUN finds";
    add_list(command, "--secret", args.secrets,
             "For RUN --mount=type=secret and remote sources; in no layer",
             "id=ID[,src=FILE|,env=VAR]")
        ->group(group);
    add_list(command, "--ssh", args.ssh,
             "An SSH agent, or keys without passphrases, for RUN --mount=type=ssh",
             "default|ID[=SOCKET|=KEY[,KEY]]")
        ->group(group);
    add_text(command, "--network", args.network, "Of RUN: default, none or host", "MODE")
        ->group(group)
        ->check(CLI::IsMember({"default", "none", "host"}))
        ->capture_default_str();
    add_list(command, "--add-host", args.extra_hosts,
             "A line of /etc/hosts; host-gateway is the host", "NAME:ADDRESS")
        ->group(group);
    add_list(command, "--allow", args.allowed, "network.host, security.insecure", "ENTITLEMENT")
        ->group(group);
    add_list(command, "--ulimit", args.ulimits, "Limits of processes", "NAME=SOFT[:HARD]")
        ->group(group);
    add_text(command, "--shm-size", args.shm_size, "Of /dev/shm [64m]", "BYTES")->group(group);
    add_text(command, "--runtime", args.runtime, "crun, runc or a path [what PATH has]", "PROGRAM")
        ->group(group);
}

void add_outputs(CLI::App& command, BuildArgs& args) {
    const std::string group = "What comes out";
    add_list(command, "-t,--tag", args.tags, "Names of the image", "NAME[:TAG]")->group(group);
    add_list(command, "-o,--output", args.outputs,
             "type=image|registry|oci|docker|local|tar|cacheonly[,KEY=VALUE…], or a directory",
             "OUTPUT")
        ->group(group);
    command.add_flag("--push", args.push, "To the registries of its names")->group(group);
    command.add_flag("--load", args.load, "Into docker or containerd, whichever answers")
        ->group(group);
    add_list(command, "--label", args.labels, "A label of the image", "KEY=VALUE")->group(group);
    add_list(command, "--annotation", args.annotations, "An annotation of manifest or index",
             "[TYPE:]KEY=VALUE")
        ->group(group);
    add_text(command, "--compression", args.compression,
             "Of new layers: estargz, gzip, zstd, uncompressed [estargz]", "NAME")
        ->group(group)
        ->check(CLI::IsMember({"estargz", "gzip", "zstd", "uncompressed"}));
    add_text(command, "--compression-level", args.compression_level, "Of new layers", "N")
        ->group(group);
    command
        .add_flag("--force-compression", args.force_compression,
                  "Of layers, too, that have another")
        ->group(group);
    command.add_flag("--squash", args.squash, "All new layers become one")->group(group);
    command
        .add_option("--timestamp", args.timestamp,
                    "Seconds since 1970: times of the image and of files in new layers")
        ->group(group);
    add_text(command, "--source-date-epoch", args.source_date_epoch,
             "Seconds since 1970: times of the image [$SOURCE_DATE_EPOCH]", "SECONDS")
        ->group(group);
    add_text(command, "--iidfile", args.image_id_file, "Write the image's digest here", "FILE")
        ->group(group);
    add_text(command, "--metadata-file", args.metadata_file, "Write what was made here, as JSON",
             "FILE")
        ->group(group);
}

void add_behaviour(CLI::App& command, BuildArgs& args) {
    const std::string group = "How it is built";
    command.add_flag("--no-cache", args.no_cache, "Run every step")->group(group);
    add_list(command, "--no-cache-filter", args.no_cache_filters, "Run every step of these stages",
             "STAGE")
        ->group(group);
    add_list(command, "--cache-from", args.cache_from,
             "Believe this cache: an image, type=registry,ref=REF or type=local,src=DIR", "CACHE")
        ->group(group);
    add_list(command, "--cache-to", args.cache_to,
             "Write one: type=registry,ref=REF|local,dest=DIR|inline[,mode=min|max][,KEY=VALUE…]",
             "CACHE")
        ->group(group);
    command.add_flag("--explain", args.explain, "Say of each step that ran why it was not cached")
        ->group(group);
    command
        .add_flag("--pull{always}", args.pull,
                  "Ask registries for bases: --pull=always|newer|missing|never")
        ->group(group)
        ->check(CLI::IsMember({"always", "newer", "missing", "never", "true", "false"}));
    command.add_option("--jobs", args.jobs, "Steps at once [as many as are ready]")
        ->group(group)
        ->check(CLI::Range(std::size_t{0}, image::kJobsMax));
    static bool layers = true;  // accepted for those who are used to it: there are always layers
    command.add_flag("--layers", layers, "Accepted; every step has its layer")->group(group);
    add_text(command, "--progress", args.progress, "auto, plain, tty, quiet or rawjson", "HOW")
        ->group(group)
        ->check(CLI::IsMember({"auto", "plain", "tty", "quiet", "rawjson"}))
        ->envname("BUILDKIT_PROGRESS")
        ->capture_default_str();
    command.add_flag("-q,--quiet", args.quiet, "Print the image's digest and nothing else")
        ->group(group);
    command.add_flag("--check", args.check, "Check the Dockerfile, build nothing")->group(group);
    add_text(command, "--call", args.call, "build, check, outline or targets[,format=json]", "WHAT")
        ->group(group)
        ->capture_default_str();
    add_text(command, "--report", args.report, "Write a page about the build here", "FILE.html")
        ->group(group);
    add_text(command, "--root", args.root, "Cache, layers and images; not tmpfs or overlayfs",
             "DIR")
        ->group(group)
        ->capture_default_str();
}

void add_all(CLI::App& command, BuildArgs& args) {
    add_inputs(command, args);
    add_outputs(command, args);
    add_behaviour(command, args);
    add_registry_flags(command, args.registry);
}

}  // namespace

void add_registry_flags(CLI::App& command, image::RegistryFlags& flags) {
    const std::string group = "Registries";
    command.add_flag("--plain-http", flags.plain_http, "HTTP without TLS (loopback hosts: always)")
        ->group(group);
    command
        .add_flag("--tls-verify,!--no-tls-verify", flags.tls_verify,
                  "Check the registry's certificate; --tls-verify=false does not")
        ->group(group)
        ->default_str("true");
    command
        .add_option("--authfile", flags.auth_file,
                    "Credentials, as docker's config.json, which is read otherwise")
        ->group(group)
        ->type_name("FILE");
    command.add_option("--creds", flags.credentials, "Credentials for this command's requests")
        ->group(group)
        ->type_name("USER:PASS");
    command
        .add_option("--cert-dir", flags.certificate_directory,
                    "*.crt to trust; *.cert and *.key to show")
        ->group(group)
        ->type_name("DIR");
}

CLI::App* add_build(CLI::App& app, BuildArgs& args) {
    CLI::App* command = app.add_subcommand("build", "Build an image from a Dockerfile");
    add_all(*command, args);
    command->footer(
        "Bases in registries are used without being pulled. A tag that was looked up once is not\n"
        "looked up again: --pull does. Needs root.\n"
        "\n"
        "Examples:\n"
        "  lazybuild build -t registry:5000/app:1 --push .\n"
        "  lazybuild build --target test --progress plain -o type=cacheonly .\n"
        "  lazybuild build -o type=oci,dest=app.tar --platform linux/amd64,linux/arm64 .\n"
        "  lazybuild build --secret id=token,env=TOKEN --report build.html -t app .\n"
        "  lazybuild build --cache-from registry:5000/app:cache \\\n"
        "      --cache-to type=registry,ref=registry:5000/app:cache,mode=max -t app .");
    return command;
}

CLI::App* add_explain(CLI::App& cache, BuildArgs& args) {
    CLI::App* command = cache.add_subcommand("explain", "Which steps would run, and why");
    add_all(*command, args);
    args.dry_run = args.explain = true;
    command->footer(
        "Takes the flags of a build, and builds nothing. What depends on a step that would run\n"
        "is not known.\n"
        "\n"
        "Examples:\n"
        "  lazybuild cache explain --cache-from registry:5000/app:cache .");
    return command;
}

}  // namespace lazybuild::cli
