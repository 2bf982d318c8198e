// SPDX-License-Identifier: Apache-2.0
// One word of an EXPOSE: "[[ip:][host port]:]port[-port][/protocol]". Only the container's ports
// count; what stands before them is checked and dropped.
//
// Source: the Dockerfile reference, "EXPOSE".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lazybuild::graph {

/// "80/tcp", one for each port of a range. Errors: invalid_argument.
Result<std::vector<std::string>> parse_ports(std::string_view text);

}  // namespace lazybuild::graph
