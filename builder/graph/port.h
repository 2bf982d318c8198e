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

struct Ports {
    std::vector<std::string> names;  ///< "80/tcp", one for each port of a range
    bool upper_case_protocol = false;
    bool host_mapping = false;  ///< an address or a host port was given
};

/// Errors: invalid_argument.
Result<Ports> parse_ports(std::string_view text);

}  // namespace lazybuild::graph
