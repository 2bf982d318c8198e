// SPDX-License-Identifier: Apache-2.0
// What a build reads besides images: the main context with its Dockerfile, named contexts, git
// repositories and files from http. A directory is opened when a step first reads from it; what
// comes through stdin or the network, when the build begins.
//
// Threads: begin() on one; afterwards any, several at once. All block; none on the reactor's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"
#include "builder/dockerfile/ignore.h"
#include "builder/files/context.h"
#include "builder/graph/plan.h"
#include "builder/image/session.h"
#include "builder/solve/progress.h"
#include "builder/solve/solver.h"

namespace lazybuild::cli {

struct DockerfileText {
    std::string name;  ///< for messages: "Dockerfile"
    std::string text;
};

class BuildContexts {
  public:
    struct Options {
        std::string context;      ///< BuildArgs::context
        std::string file;         ///< BuildArgs::file
        std::string ignore_file;  ///< BuildArgs::ignore_file
        std::map<std::string, std::string> named;
        std::string root;  ///< of the store; caches are below it
        /// For what is unpacked; made when it is needed.
        std::function<Result<std::string>()> build_directory;
        files::SecretReader secrets;  ///< for remote places
        std::string ssh_agent;        ///< for repositories; "" for the environment's
    };
    /// Everything outlives it.
    BuildContexts(Options options, image::Session& session, solve::Progress& progress);
    ~BuildContexts();
    BuildContexts(const BuildContexts&) = delete;
    BuildContexts& operator=(const BuildContexts&) = delete;

    /// Finds the main context and reads the Dockerfile. Errors: invalid_argument for places that
    /// make no sense; those of reading.
    Result<DockerfileText> begin();
    /// For graph::PlanOptions::contexts. Errors: invalid_argument.
    Result<std::map<std::string, graph::NamedContext>> named() const;

    /// What the main context leaves out. Errors: those of reading the ignore file.
    Result<dockerfile::IgnorePatterns> ignored() const;

    Result<layers::FileSource*> open(const graph::ContextStep& step);
    Result<solve::RemoteSource> open_git(const graph::GitStep& step);
    Result<solve::RemoteSource> open_http(const graph::HttpStep& step);

    /// The time of a context that is no image, in seconds since 1970: of its commit, Last-Modified,
    /// or the newest in an archive. Errors: invalid_argument for a directory of the host, and when
    /// the server does not say; those of fetching.
    Result<std::int64_t> time_of(const std::string& name);
    Result<std::int64_t> time_of(const graph::GitStep& step);
    Result<std::int64_t> time_of(const graph::HttpStep& step);

  private:
    struct Opened;

    Result<DockerfileText> begin_with_stdin();
    Result<DockerfileText> begin_with_source(std::unique_ptr<layers::FileSource> files);
    Result<DockerfileText> begin_with_url();
    Result<DockerfileText> begin_with_directory();
    Result<DockerfileText> read_separate_file();
    Result<void> fetch_context(const std::string& url, Opened& opened);
    Result<std::unique_ptr<layers::FileSource>> unpack(ByteSource& archive);
    Result<std::unique_ptr<layers::FileSource>> open_directory(const std::string& directory,
                                                               bool main);
    Result<files::RemoteFiles> fetch_git(const graph::GitStep& step);
    template <class Step, class Fetch>
    Result<Opened*> fetch_once(const std::string& identity, const Step& step, Fetch fetch);
    Result<Opened*> fetch_once(const graph::GitStep& step);
    Result<Opened*> fetch_once(const graph::HttpStep& step);

    const Options options_;
    image::Session& session_;
    solve::Progress& progress_;
    std::string dockerfile_path_;  ///< on the host; "" for one from elsewhere
    std::optional<std::string> main_directory_;

    std::mutex mutex_;                                       // guards what follows
    std::map<std::string, std::unique_ptr<Opened>> opened_;  ///< contexts by name, others by place
};

}  // namespace lazybuild::cli
