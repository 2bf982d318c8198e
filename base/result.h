// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value or an Error. Everything of ours that can fail returns one; nothing throws.
// "Not found" where that is a normal answer is std::optional inside the Result, not an Error.
#pragma once

#include <expected>

#include "base/error.h"

namespace lazybuild {

template <class T>
using Result = std::expected<T, Error>;

/// `return fail(corrupt("…"));` reads better than spelling std::unexpected.
inline std::unexpected<Error> fail(Error error) {
    return std::unexpected<Error>(std::move(error));
}

}  // namespace lazybuild

#define LAZYBUILD_CONCAT2(a, b) a##b
#define LAZYBUILD_CONCAT(a, b) LAZYBUILD_CONCAT2(a, b)

/// `TRY(auto value, parse(text));` declares `value`, or returns the Error from this function.
/// Plain functions only: coroutines say `auto value = co_await or_return(co_await f());`
// NOLINTBEGIN(bugprone-macro-parentheses): a declaration cannot stand in parentheses.
#define TRY(declaration, expression)                                                        \
    auto LAZYBUILD_CONCAT(try_result_, __LINE__) = (expression);                            \
    if (!LAZYBUILD_CONCAT(try_result_, __LINE__)) {                                         \
        return std::unexpected(std::move(LAZYBUILD_CONCAT(try_result_, __LINE__)).error()); \
    }                                                                                       \
    declaration = *std::move(LAZYBUILD_CONCAT(try_result_, __LINE__))
// NOLINTEND(bugprone-macro-parentheses)

/// `CHECK_OK(write(bytes));` for a Result<void>: returns its Error from this function.
#define CHECK_OK(expression)                                         \
    do {                                                             \
        if (auto check_result = (expression); !check_result) {       \
            return std::unexpected(std::move(check_result).error()); \
        }                                                            \
    } while (false)
