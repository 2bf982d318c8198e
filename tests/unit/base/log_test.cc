// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace lazybuild {
namespace {

/// What `write` puts on stderr, with the time taken off the front of the line.
template <class Write>
std::string logged(Write write) {
    testing::internal::CaptureStderr();
    write();
    const std::string line = testing::internal::GetCapturedStderr();
    const std::size_t level = line.find(" level=");
    return level == std::string::npos ? line : line.substr(level + 1);
}

TEST(Log, an_event_is_one_line_of_fields) {
    EXPECT_EQ(logged([] { log::info("filled", {{"layer", "sha256:ab"}, {"seconds", 1.5}}); }),
              "level=info msg=filled layer=sha256:ab seconds=1.5\n");
}

TEST(Log, values_that_need_quotes_have_them) {
    EXPECT_EQ(logged([] { log::warning("two words", {{"empty", ""}, {"q", "a\"b\\c=d"}}); }),
              "level=warning msg=\"two words\" empty=\"\" q=\"a\\\"b\\\\c=d\"\n");
}

TEST(Log, text_from_outside_cannot_forge_a_second_event) {
    const std::string line = logged([] { log::error("x", {{"name", "a\nlevel=info \x1b[2J"}}); });
    EXPECT_EQ(line, "level=error msg=x name=\"a\\nlevel=info \\x1b[2J\"\n");
    EXPECT_EQ(std::ranges::count(line, '\n'), 1);
}

TEST(Log, events_below_the_level_are_dropped) {
    EXPECT_EQ(logged([] { log::debug("x"); }), "");
    log::set_level(log::Level::debug);
    EXPECT_EQ(logged([] { log::debug("x"); }), "level=debug msg=x\n");
    log::set_level(log::Level::error);
    EXPECT_EQ(logged([] { log::warning("x"); }), "");
    log::set_level(log::Level::info);
}

}  // namespace
}  // namespace lazybuild
