// SPDX-License-Identifier: Apache-2.0
// Results of planning, their Errors with the lines of the Dockerfile that they are about.
#pragma once

#include <utility>

#include "base/result.h"
#include "builder/dockerfile/excerpt.h"
#include "builder/dockerfile/instructions.h"

namespace lazybuild::graph {

template <class T>
Result<T> located(const dockerfile::Dockerfile& file, dockerfile::Lines lines, Result<T> result) {
    if (!result) {
        return fail(dockerfile::located(std::move(result).error(), file, lines));
    }
    return result;
}

}  // namespace lazybuild::graph
