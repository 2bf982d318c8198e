// SPDX-License-Identifier: Apache-2.0
// ASSERT: for programmer errors only, never for bad input, and kept in release builds.
#pragma once

namespace lazybuild {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}  // namespace lazybuild

#define ASSERT(expression)               \
    ((expression) ? static_cast<void>(0) \
                  : ::lazybuild::assertion_failed(#expression, __FILE__, __LINE__))
