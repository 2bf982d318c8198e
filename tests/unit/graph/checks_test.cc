// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/checks.h"

#include <gtest/gtest.h>

namespace lazybuild::graph {
namespace {

TEST(Signal, is_a_number_or_a_name) {
    for (const char* text :
         {"9", "15", "KILL", "SIGKILL", "sigterm", "RTMIN", "SIGRTMIN+3", "SIGRTMAX-1", "WINCH"}) {
        EXPECT_TRUE(is_signal(text)) << text;
    }
    for (const char* text :
         {"", "0", "-9", "SIG", "NONE", "9x", "RTMIN-1", "RTMIN+99", "RTMAX+1", "RTMIN+"}) {
        EXPECT_FALSE(is_signal(text)) << text;
    }
}

TEST(BuilderArgument, needs_no_declaration) {
    for (const char* name :
         {"HTTP_PROXY", "no_proxy", "TARGETOS", "BUILDKIT_ANYTHING", "SOURCE_DATE_EPOCH"}) {
        EXPECT_TRUE(is_builder_argument(name)) << name;
    }
    EXPECT_FALSE(is_builder_argument("VERSION"));
    EXPECT_TRUE(is_proxy_argument("All_Proxy"));
    EXPECT_FALSE(is_proxy_argument("TARGETOS"));
}

}  // namespace
}  // namespace lazybuild::graph
