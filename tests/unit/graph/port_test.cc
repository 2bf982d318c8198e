// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/port.h"

#include <gtest/gtest.h>

namespace lazybuild::graph {
namespace {

TEST(Port, is_read_in_all_its_forms) {
    struct Row {
        const char* text;
        std::vector<std::string> names;
    };
    const Row rows[] = {
        {"80", {"80/tcp"}},
        {"80/udp", {"80/udp"}},
        {"80/SCTP", {"80/sctp"}},
        {"80-82", {"80/tcp", "81/tcp", "82/tcp"}},
        {"80-80/udp", {"80/udp"}},
        {"8080:80", {"80/tcp"}},
        {":80", {"80/tcp"}},
        {"1.2.3.4:8080:80", {"80/tcp"}},
        {"1.2.3.4::80", {"80/tcp"}},
        {"[::1]:8080:80/udp", {"80/udp"}},
        {"8000-8001:80-81", {"80/tcp", "81/tcp"}},
        {"8000-8009:80", {"80/tcp"}},
    };
    for (const Row& row : rows) {
        const auto ports = parse_ports(row.text);
        ASSERT_TRUE(ports) << row.text << ": " << ports.error().message;
        EXPECT_EQ(*ports, row.names) << row.text;
    }
}

TEST(Port, is_refused_when_it_is_none) {
    const char* const texts[] = {"",    "/tcp", "x",         "80/",       "65536",
                                 "9-8", "80-",  "80/icmp",   "a:80",      "1:2:3:80",
                                 "-1",  "+80",  "1-3:80-81", "nohost:1:2"};
    for (const char* text : texts) {
        if (std::string_view(text) == "80/") {
            EXPECT_TRUE(parse_ports(text)) << "an empty protocol is the default";
        } else {
            EXPECT_FALSE(parse_ports(text)) << text;
        }
    }
}

}  // namespace
}  // namespace lazybuild::graph
