// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/plan_outline.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace lazybuild::graph {
namespace {

// Collects over a target's stages: the target first, then what it needs. Of two of one name the
// first counts.
class Collector {
  public:
    explicit Collector(const Planning& planning) : planning_(planning) {}

    void add_all(std::uint32_t target) {
        std::vector<std::uint32_t> open = {target};
        std::set<std::uint32_t> seen;
        while (!open.empty()) {
            const std::uint32_t stage = open.back();
            open.pop_back();
            const auto state = planning_.results.find(stage);
            if (!seen.insert(stage).second || state == planning_.results.end()) {
                continue;
            }
            const StageNode& node = planning_.stages.nodes()[stage];
            add(node, state->second);
            open.insert(open.end(), node.needs.rbegin(), node.needs.rend());
            if (!node.replaced && node.base.kind == Place::Kind::stage) {
                open.push_back(node.base.stage);
            }
        }
    }

    Outline take() {
        std::ranges::sort(outline_.arguments, {}, [](const OutlineArgument& argument) {
            return std::pair(argument.lines.first, argument.name);
        });
        for (std::vector<OutlineSecret>* secrets : {&outline_.secrets, &outline_.agents}) {
            std::ranges::sort(*secrets, {}, [](const OutlineSecret& secret) {
                return std::pair(secret.lines.first, secret.id);
            });
        }
        return std::move(outline_);
    }

  private:
    void add(const StageNode& node, const StageState& state) {
        for (const DeclaredArgument& argument : state.arguments) {
            if (argument.from_global_scope) {
                add_global(argument.name);
            } else if (names_.insert(argument.name).second) {
                outline_.arguments.push_back({.name = argument.name,
                                              .value = argument.value.value_or(""),
                                              .description = argument.description,
                                              .lines = argument.lines});
            }
        }
        for (const std::string& name : node.used_arguments) {
            add_global(name);
        }
        add_secrets(state.secrets, outline_.secrets, secrets_);
        add_secrets(state.agents, outline_.agents, agents_);
    }

    // The argument and those that its default was made of. Automatic ones are none of the file's.
    void add_global(const std::string& first) {
        std::vector<std::string> open = {first};
        while (!open.empty()) {
            const std::string name = std::move(open.back());
            open.pop_back();
            const auto declared = planning_.globals.declared.find(name);
            if (declared == planning_.globals.declared.end() || !names_.insert(name).second) {
                continue;
            }
            const GlobalArgument& argument = declared->second;
            outline_.arguments.push_back({.name = name,
                                          .value = argument.value.value_or(""),
                                          .description = argument.description,
                                          .lines = argument.lines});
            open.insert(open.end(), argument.needs.begin(), argument.needs.end());
        }
    }

    static void add_secrets(const std::map<std::string, OutlineSecret>& from,
                            std::vector<OutlineSecret>& to, std::set<std::string>& seen) {
        for (const auto& [id, secret] : from) {
            if (seen.insert(id).second) {
                to.push_back(secret);
            }
        }
    }

    const Planning& planning_;
    Outline outline_;
    std::set<std::string> names_, secrets_, agents_;
};

}  // namespace

Outline outline_of(const Planning& planning, const StageNode& target) {
    Collector collector(planning);
    collector.add_all(target.index);
    Outline outline = collector.take();
    outline.name = target.written->from.name;
    outline.description = description_of(outline.name, target.written->comments);
    return outline;
}

}  // namespace lazybuild::graph
