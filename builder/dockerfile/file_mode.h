// SPDX-License-Identifier: Apache-2.0
// The value of --chmod: octal ("0755"), or what chmod(1) takes ("u=rwX,go=rX", "+x", "g=u").
//
// Source: POSIX.1 XCU chmod, "Extended description"; without who it is everybody, whatever the
// umask. Where POSIX leaves it open, as the BSDs have it and BuildKit does: 'X' looks at the mode
// that the file had before, '=' also clears set-user-ID and set-group-ID, 't' may stand with 'u'.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lazybuild::dockerfile {

class FileMode {
  public:
    /// Errors: invalid_argument, in BuildKit's words.
    static Result<FileMode> parse(std::string_view text);

    /// Mode bits (07777) that a file of mode bits `mode` gets.
    std::uint32_t apply(std::uint32_t mode, bool is_directory) const;
    /// apply() gives the same whatever the file: then its mode need not be known.
    bool is_absolute() const { return actions_.empty(); }

  private:
    struct Action {
        std::uint32_t who = 0;  ///< mask of the bits that it may touch
        char operation = '=';
        std::uint32_t bits = 0;
        bool execute_if_any = false;  ///< 'X'
        char copy_from = '\0';        ///< 'u', 'g', 'o'
    };
    static Result<std::vector<Action>> parse_clause(std::string_view clause);

    std::uint32_t octal_ = 0;
    std::vector<Action> actions_;
};

}  // namespace lazybuild::dockerfile
