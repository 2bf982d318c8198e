// SPDX-License-Identifier: Apache-2.0
// Parser directives: the comments of the form "# key=value" with which a Dockerfile may begin, and
// comments of that form above an instruction ("# check=skip=Rule").
//
// Source: the Dockerfile reference, "Parser directives".
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "builder/dockerfile/instructions.h"

namespace lazybuild::dockerfile {

struct Directive {
    std::string key;  ///< lower case
    std::string value;
};

/// "key = value", which may be all that the comment says; nothing when it is something else.
std::optional<Directive> parse_directive(std::string_view comment);

/// Takes the lines of a file from its first on and knows when the directives are over.
class DirectiveReader {
  public:
    /// True when `line` (without blanks before it) was a directive. Number counts from 1.
    /// Errors: invalid_argument (given twice, an escape that is none).
    Result<bool> take(std::string_view line, std::uint32_t number);
    const Directives& directives() const { return directives_; }

  private:
    Directives directives_;
    std::set<std::string> seen_;
    bool over_ = false;
};

/// The value of "syntax", which stands in more places than other directives: behind a line with
/// "#!", in comments that begin with "//", in a JSON object. Nothing when there is none.
struct Syntax {
    std::string value;
    Lines lines;
};
std::optional<Syntax> detect_syntax(std::string_view source);

/// What "check" says: "skip=A,B|all;error=true;experimental=A|all".
struct CheckOptions {
    std::vector<std::string> skip;          ///< names of rules, or "all"
    std::vector<std::string> experimental;  ///< likewise: to be checked
    bool error = false;                     ///< what is found fails the build
};
/// Errors: invalid_argument.
Result<CheckOptions> parse_check_options(std::string_view text);

/// The rules that comments just above an instruction switch off for it.
std::vector<std::string> skipped_checks(const std::vector<std::string>& comments);

}  // namespace lazybuild::dockerfile
