// SPDX-License-Identifier: Apache-2.0
// Lines of a Dockerfile as messages show them: numbered, with some around, those that are meant
// marked with ">>>".
//
//   Dockerfile:3
//   --------------------
//      1 |     FROM alpine
//      2 |
//      3 | >>> RUNN make
//   --------------------
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "builder/dockerfile/instructions.h"

namespace lazybuild::dockerfile {

/// As above, with a line end; "" when `lines` are not in `source`. More than 40 marked lines are
/// cut short.
std::string excerpt(std::string_view source, std::string_view name, Lines lines);
std::string excerpt(const Dockerfile& file, Lines lines);

/// `error` as one about lines of the file: "Dockerfile:3: message", then the excerpt without its
/// first line. The code stays.
Error located(Error error, std::string_view source, std::string_view name, Lines lines);
Error located(Error error, const Dockerfile& file, Lines lines);

}  // namespace lazybuild::dockerfile
