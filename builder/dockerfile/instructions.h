// SPDX-License-Identifier: Apache-2.0
// A Dockerfile as it was written: stages and their instructions, flags taken apart and checked,
// variables not yet expanded (expand.h), nothing resolved.
//
// Source: the Dockerfile reference as BuildKit's frontend 1.26 implements it.
// All values; a Word is text in which variables, quotes and escapes may still stand.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace lazybuild::dockerfile {

using Word = std::string;

/// Lines of the file, counted from 1, both included.
struct Lines {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
};

struct Heredoc {
    std::string name;     ///< the delimiter without quotes
    std::string content;  ///< with its line ends; tabs cut already for <<-
    bool expand = true;   ///< no part of the delimiter was quoted
};

/// JSON array or the rest of the line.
struct Command {
    bool shell_form = false;
    std::vector<std::string> words;  ///< shell form: exactly one, as written, heredocs put back
    std::vector<Heredoc> heredocs;   ///< of a RUN that consists of one heredoc only, that one
};

struct NamedWord {
    std::string name;
    Word value;
    bool legacy = false;  ///< "ENV name value"
};

struct ArgDeclaration {
    std::string name;
    std::optional<Word> value;
};

struct From {
    Word base;
    Word platform;     ///< "" for none
    std::string name;  ///< of the stage, lower case; "" for none
    std::string name_as_written;
    std::string as_keyword;  ///< "AS" as written
};
struct Arg {
    std::vector<ArgDeclaration> arguments;
};
struct Env {
    std::vector<NamedWord> variables;
};
struct Label {
    std::vector<NamedWord> labels;
};
struct Run {
    Command command;
    std::vector<Word> mounts;  ///< each as written: parse_mount() once expanded
    std::string network;       ///< "", default, none, host
    std::string security;      ///< "", sandbox, insecure
    std::vector<std::string> devices;
};
struct Copy {  ///< COPY and ADD
    bool add = false;
    std::vector<Word> sources;
    std::vector<Heredoc> heredocs;  ///< come before the sources
    Word destination;
    std::string from;
    Word owner;        ///< --chown
    Word permissions;  ///< --chmod
    Word checksum;
    bool link = false;
    bool parents = false;
    std::vector<std::string> excludes;
    std::optional<bool> keep_git_directory;
    std::optional<bool> unpack;
};
struct Workdir {
    Word path;
};
struct User {
    Word user;
};
struct Volume {
    std::vector<Word> paths;
};
struct Expose {
    std::vector<Word> ports;
};
struct StopSignal {
    Word signal;
};
struct Shell {
    std::vector<std::string> words;
};
struct Cmd {
    Command command;
};
struct Entrypoint {
    Command command;
};
struct Healthcheck {
    bool none = false;
    Command command;
    std::chrono::nanoseconds interval{0}, timeout{0}, start_period{0}, start_interval{0};
    int retries = 0;
};
struct Onbuild {
    std::string instruction;  ///< the rest of the line, with its heredocs
};
struct Maintainer {
    std::string name;
};

struct Instruction {
    std::variant<Arg, Env, Label, Run, Copy, Workdir, User, Volume, Expose, StopSignal, Shell, Cmd,
                 Entrypoint, Healthcheck, Onbuild, Maintainer>
        what;
    Lines lines;
    std::string
        text;  ///< as written, continuations joined, first heredoc line and "..." : for people
    std::string keyword;                      ///< as written: "run", "COPY"
    std::vector<std::string> skipped_checks;  ///< "# check=skip=…" just above it; "all"
    std::vector<std::string> comments;        ///< the lines just above it, without '#', trimmed
};

struct Stage {
    From from;
    Lines lines;
    std::string text;
    std::string keyword;
    std::vector<std::string> skipped_checks;
    std::vector<std::string> comments;
    std::vector<Instruction> instructions;
};

struct Directives {
    std::string syntax;  ///< the value: image, then arguments; "" for none
    char escape = '\\';
    std::string check;  ///< "skip=A,B;error=true"
    Lines syntax_lines, check_lines;
};

struct Dockerfile {
    std::string name;    ///< for messages: "Dockerfile"
    std::string source;  ///< as it was read
    Directives directives;
    std::vector<Instruction> global_arguments;  ///< before the first FROM; each is an Arg
    std::vector<Stage> stages;
    std::vector<Lines> empty_continuations;  ///< lines with nothing between continued ones
};

}  // namespace lazybuild::dockerfile
