// SPDX-License-Identifier: Apache-2.0
// The flags of instructions: "--from=build", taken off the line and checked against what the
// instruction knows.
//
// Source: the Dockerfile reference, the flags of each instruction; BuildKit's messages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lazybuild::dockerfile {

/// The words at the beginning of `text` that begin with "--", without their quotes and escapes, up
/// to a bare "--". `text` is left with what follows.
std::vector<std::string> take_flags(std::string_view& text, char escape);

enum class FlagKind : std::uint8_t { yes_or_no, text, list };

struct FlagRule {
    std::string_view name;  ///< without "--"
    FlagKind kind;
};

/// What was given of the flags that an instruction knows.
class Flags {
  public:
    /// Errors: invalid_argument (unknown, given twice, without its value).
    static Result<Flags> parse(const std::vector<std::string>& words,
                               const std::vector<FlagRule>& rules);

    /// What was not given is "", no list, nullopt.
    std::string text(std::string_view name) const;
    std::vector<std::string> list(std::string_view name) const;
    std::optional<bool> yes_or_no(std::string_view name) const;

  private:
    struct Given {
        std::string name;
        std::string value;
    };
    std::vector<Given> given_;
};

}  // namespace lazybuild::dockerfile
