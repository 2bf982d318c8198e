// SPDX-License-Identifier: Apache-2.0
// The steps of a plan as they are found; what comes from outside is there once, however often it
// is used.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "builder/graph/step.h"

namespace lazybuild::graph {

class StepList {
  public:
    StepId add(Step step) {
        steps_.push_back(std::move(step));
        return static_cast<StepId>(steps_.size() - 1);
    }

    /// Adds `step` unless one with this key was added: then that one.
    StepId add_once(const std::string& key, Step step) {
        const auto known = sources_.find(key);
        if (known != sources_.end()) {
            return known->second;
        }
        const StepId id = add(std::move(step));
        sources_.emplace(key, id);
        return id;
    }

    const std::vector<Step>& steps() const { return steps_; }
    std::vector<Step> take() && { return std::move(steps_); }

  private:
    std::vector<Step> steps_;
    std::map<std::string, StepId> sources_;
};

}  // namespace lazybuild::graph
