// SPDX-License-Identifier: Apache-2.0
// Steps: what has to be done for an image, with every name resolved and every variable expanded.
// A step makes a file system (a *snapshot*: layers, the bottom one first) from those of its inputs.
// Pure data: nothing here says where anything is kept or whether it has been done before.
//
// What a step says (everything that can change its result, and nothing else) is its definition:
// definition.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "builder/dockerfile/instructions.h"
#include "codec/digest.h"
#include "codec/oci_platform.h"

namespace lazybuild::graph {

/// Index into Plan::steps. An input always stands before the step that needs it.
using StepId = std::uint32_t;

/// The layers of an image.
struct ImageStep {
    std::string
        name;  ///< as users know it, for messages and progress: "docker.io/library/alpine:3"
    std::string place;  ///< what image::ImagePlace::parse takes
    codec::Digest manifest;
};

/// No files at all.
struct ScratchStep {};

/// Files from outside that no registry has. The solver looks them up by name or fetches them.
struct ContextStep {
    std::string name;  ///< "context" for the main one, else the name of the --build-context
};
struct GitStep {
    std::string remote;
    std::string reference;  ///< branch, tag or commit; "" for the default branch
    std::string directory;  ///< inside the repository
    std::string checksum;   ///< a commit's digest or its beginning; "" for any
    bool keep_git_directory = false;
    bool submodules = true;
    bool commit_times = false;  ///< mtime=commit
};
struct HttpStep {
    std::string url;
    std::string file_name;  ///< that the file gets: last element of the path
    std::string checksum;   ///< "sha256:…"; "" for none
};

/// A text that was written in the Dockerfile.
struct InlineFile {
    std::string name;
    std::string content;
    std::uint32_t mode = 0644;
};

/// What one COPY or ADD takes from one place.
struct CopySource {
    StepId from = 0;  ///< a file system, ContextStep, GitStep or HttpStep
    /// Clean, relative to the root, which is ""; wildcards allowed. With --parents a "/./" may
    /// stand in one: of a copied path only what comes after it is kept.
    std::vector<std::string> patterns;
    bool unpack = false;  ///< archives among what the patterns name are unpacked
};

struct CopyStep {
    std::optional<StepId> base;  ///< none for --link: the result does not depend on it
    StepId onto = 0;             ///< the file system that the new layer is put on, --link or not
    std::vector<InlineFile> inline_files;
    std::vector<CopySource> sources;
    std::string destination;  ///< absolute; ends in '/' when it must be a directory
    std::string owner;        ///< --chown, expanded; "" for none
    std::string permissions;  ///< --chmod, expanded; "" for none
    bool parents = false;
    std::vector<std::string> excludes;
    bool required_literals = true;  ///< a source without wildcards must exist
};

/// WORKDIR: the directory and its missing parents.
struct DirectoryStep {
    StepId base = 0;
    std::string path;
    std::string user;  ///< who owns what is made: USER at that point; "" is root
};

struct RunMount {
    enum class Type : std::uint8_t { bind, cache, tmpfs, secret, ssh };
    enum class Sharing : std::uint8_t { shared, private_, locked };
    Type type = Type::bind;
    std::string target;  ///< absolute; "" for a secret that is only a variable
    /// bind; cache: what a new one begins with. Always layers: of a context, what is bound has been
    /// copied by a step of its own.
    std::optional<StepId> from;
    std::string source;  ///< inside `from`, clean, relative; "" is all of it
    bool read_only = false;
    std::string id;  ///< cache, secret, ssh
    Sharing sharing = Sharing::shared;
    std::uint64_t size_bytes = 0;  ///< tmpfs; 0 for no limit
    std::optional<std::uint32_t> mode, uid, gid;
    bool required = false;
    std::string variable;  ///< secret: env=
};

struct RunStep {
    StepId base = 0;
    std::vector<std::string> arguments;    ///< argv
    std::vector<std::string> environment;  ///< "NAME=value", in the order in which they were set
    std::map<std::string, std::string>
        proxies;                    ///< predefined args: in the environment, not in the key
    std::string working_directory;  ///< absolute
    std::string user;               ///< "" is root
    std::vector<RunMount> mounts;
    std::optional<InlineFile> script;  ///< bound at /dev/pipes/<name>, executable
    std::string network;               ///< "default", "none", "host"
    bool insecure = false;
    std::string host_name;
};

struct Step {
    std::variant<ImageStep, ScratchStep, ContextStep, GitStep, HttpStep, CopyStep, DirectoryStep,
                 RunStep>
        what;
    codec::Platform platform;
    std::string stage;          ///< its name, or its number
    std::string text;           ///< for progress: "[build 2/5] RUN make"
    dockerfile::Lines lines;    ///< of the instruction; 0 for none
    bool ignore_cache = false;  ///< --no-cache, --no-cache-filter
};

}  // namespace lazybuild::graph
