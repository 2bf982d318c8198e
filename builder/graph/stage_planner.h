// SPDX-License-Identifier: Apache-2.0
// Carries out one stage's instructions on paper: each adds steps and changes the settings, as
// BuildKit's frontend would.
//
// Source: the Dockerfile reference; moby/buildkit's dockerfile2llb for orders and history texts.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "builder/dockerfile/expand.h"
#include "builder/dockerfile/instructions.h"
#include "builder/dockerfile/run_mount.h"
#include "builder/graph/git_reference.h"
#include "builder/graph/global_scope.h"
#include "builder/graph/plan.h"
#include "builder/graph/stage_state.h"
#include "builder/graph/stage_table.h"
#include "builder/graph/step_list.h"

namespace lazybuild::graph {

/// Texts of one plan, in all: what a small file can expand to is large.
inline constexpr std::size_t kPlanBytesMax = 256 << 20;

/// What all stages of one plan share. Borrows file, options and images.
struct Planning {
    const dockerfile::Dockerfile& file;
    const PlanOptions& options;
    const Images& images;
    GlobalScope globals;
    StageTable stages;
    StepList steps;
    std::map<std::uint32_t, StageState> results;  ///< of the stages that are planned
    std::vector<dockerfile::Finding> warnings;

    /// nullptr when it is not known yet. A FROM needs the settings too.
    const KnownImage* find_image(const std::string& place, const codec::Platform& platform,
                                 bool config_needed) const;
    /// The files of an image; those of one without layers are none.
    StepId image_files(const std::string& place, const codec::Platform& platform,
                       const KnownImage& image, std::string text, dockerfile::Lines lines);
    StepId no_files();
    StepId context_files(const std::string& name);

    /// Counts what a plan holds: texts that grow with each other could fill any memory.
    /// Errors: argument_out_of_domain past kPlanBytesMax.
    Result<void> charge(std::size_t size_bytes);
    std::size_t size_bytes = 0;
};

class StagePlanner {
  public:
    /// Everything outlives it; the stages that this one needs are in `planning.results`.
    StagePlanner(Planning& planning, const StageNode& node);

    /// Errors: those of an instruction, with its lines.
    Result<StageState> run();

  private:
    Result<void> begin();
    Result<void> begin_on_image(const Place& place);
    Result<void> begin_on_context(const std::string& name);
    Result<void> begin_on_stage(const StageState& base);
    void inherit_settings();
    void finish_settings();

    Result<void> carry_out(const dockerfile::Instruction& instruction);
    std::size_t size_of_last() const;
    Result<void> carry_out(const dockerfile::Arg& arg);
    Result<void> carry_out(const dockerfile::Env& env);
    Result<void> carry_out(const dockerfile::Label& label);
    Result<void> carry_out(const dockerfile::Run& run);
    Result<void> carry_out(const dockerfile::Copy& copy);
    Result<void> carry_out(const dockerfile::Workdir& workdir);
    Result<void> carry_out(const dockerfile::User& user);
    Result<void> carry_out(const dockerfile::Volume& volume);
    Result<void> carry_out(const dockerfile::Expose& expose);
    Result<void> carry_out(const dockerfile::StopSignal& stop_signal);
    Result<void> carry_out(const dockerfile::Shell& shell);
    Result<void> carry_out(const dockerfile::Cmd& command);
    Result<void> carry_out(const dockerfile::Entrypoint& entrypoint);
    Result<void> carry_out(const dockerfile::Healthcheck& health);
    Result<void> carry_out(const dockerfile::Onbuild& onbuild);
    Result<void> carry_out(const dockerfile::Maintainer& maintainer);

    /// The words of a command, behind the shell when it is in shell form.
    std::vector<std::string> with_shell(const dockerfile::Command& command);

    Result<std::string> expanded(std::string_view word);
    void warn_of_undefined(const std::set<std::string, std::less<>>& undefined);

    Result<void> add_sources(const dockerfile::Copy& copy, CopyStep& step, const std::string& text);
    Result<void> add_git(const dockerfile::Copy& copy, const GitReference& reference,
                         CopyStep& step, const std::string& text);
    Result<void> add_http(const dockerfile::Copy& copy, const std::string& url, CopyStep& step,
                          const std::string& text);
    Result<void> add_heredocs(const dockerfile::Copy& copy, CopyStep& step);
    std::string copy_destination(const std::string& written) const;
    static std::string copy_history(const dockerfile::Copy& copy);

    Result<void> add_mounts(const dockerfile::Run& run, RunStep& step);
    Result<RunMount> plan_mount(std::string_view text, std::size_t agents_before);
    Result<void> plan_files(const dockerfile::MountOptions& options, RunMount& mount);
    void plan_secret(const dockerfile::MountOptions& options, RunMount& mount);
    StepId bound_files(const std::string& context, const std::string& source);
    std::string run_history(const std::vector<std::string>& arguments) const;
    std::map<std::string, std::string> proxies() const;

    /// The files that COPY --from or a mount names; nullopt for a stage that is not there yet.
    std::optional<StepId> files_of(const Place& place);

    /// "[build 2/5] TEXT" for the next step that is counted.
    std::string counted(std::string_view text);
    std::string platform_prefix() const;
    std::string shown(std::string_view text) const;
    void add_history(std::string created_by, bool empty_layer = true);
    /// A step that makes a layer of this stage; its files are what the stage has from here on.
    void add_layer(Step step, std::string created_by);
    Step make_step(std::string text) const;
    std::string absolute(std::string_view path) const;

    Planning& planning_;
    const StageNode& node_;
    StageState state_;
    const dockerfile::Instruction* instruction_ = nullptr;
    bool in_trigger_ = false;
    std::size_t counted_ = 0, total_ = 0;
    bool command_given_ = false;  ///< CMD, in this stage
};

}  // namespace lazybuild::graph
