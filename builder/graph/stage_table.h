// SPDX-License-Identifier: Apache-2.0
// The stages of a Dockerfile and what each needs: bases found, platforms known, ONBUILD triggers
// of bases put in front of their own instructions, edges between stages checked.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/dockerfile/instructions.h"
#include "builder/graph/global_scope.h"
#include "builder/graph/place.h"
#include "builder/graph/plan.h"

namespace lazybuild::graph {

struct StageNode {
    const dockerfile::Stage* written = nullptr;
    std::uint32_t index = 0;
    std::string label;                        ///< its name, or its number: for Step::stage
    std::string progress_name;                ///< its name, or "stage-2"
    std::string base_name;                    ///< as written, expanded
    std::optional<codec::Platform> platform;  ///< --platform
    std::set<std::string, std::less<>> used_arguments;  ///< of the global scope, in its FROM
    Place base;
    bool replaced = false;  ///< by the named context `base`: its instructions do not count
    std::vector<dockerfile::Instruction> triggers;  ///< of the base, once it is known
    bool triggers_known = false;
    std::vector<std::uint32_t> needs;  ///< stages that COPY --from and mounts name; not its base
    bool needed = false;               ///< for the target

    /// Triggers, then its own.
    std::vector<const dockerfile::Instruction*> instructions() const;
};

class StageTable {
  public:
    /// Borrows everything. Warnings of FROM lines are added to `warnings`.
    /// Errors: invalid_argument with the lines: bases and platforms that cannot be, cycles.
    static Result<StageTable> make(const dockerfile::Dockerfile& file, const PlanOptions& options,
                                   const GlobalScope& globals,
                                   std::vector<dockerfile::Finding>& warnings);

    std::vector<StageNode>& nodes() { return nodes_; }
    const std::vector<StageNode>& nodes() const { return nodes_; }

    /// What `name` means in an instruction of stage `user`: an earlier stage by name or number, a
    /// later one or itself (callers refuse it), else as find_place().
    /// Errors: invalid_argument.
    Result<Place> find(std::string_view name, std::uint32_t user) const;

    /// --target. Errors: invalid_argument with a suggestion.
    Result<std::uint32_t> find_target(const std::string& target) const;

    /// Marks what `stage` needs. Called again when triggers became known.
    void mark_needed(std::uint32_t stage);

    /// Puts the triggers of its base in front of the stage's instructions.
    /// Errors: invalid_argument: no instruction, or a stage that cannot be used there.
    Result<void> add_triggers(StageNode& node, const std::vector<std::string>& texts);

    /// ONBUILD instructions that stand in a stage: the triggers of stages built on it.
    static std::vector<std::string> triggers_in(const dockerfile::Stage& stage);

    codec::Platform platform_of(const StageNode& node) const;

    /// Whether progress texts name stages: there is more than one, or something is taken from
    /// outside of them.
    bool names_stages() const { return nodes_.size() > 1 || takes_from_elsewhere_; }

  private:
    StageTable(const dockerfile::Dockerfile& file, const PlanOptions& options)
        : file_(&file), options_(&options) {}
    Result<void> add(const dockerfile::Stage& stage, const GlobalScope& globals,
                     std::vector<dockerfile::Finding>& warnings);
    Result<void> find_base(StageNode& node) const;
    Result<void> find_needs(StageNode& node, const dockerfile::Instruction& instruction);
    Result<void> check_cycles() const;
    std::optional<std::uint32_t> find_name(std::string_view name, std::uint32_t before) const;

    const dockerfile::Dockerfile* file_;
    const PlanOptions* options_;
    std::vector<StageNode> nodes_;
    bool takes_from_elsewhere_ = false;
};

}  // namespace lazybuild::graph
