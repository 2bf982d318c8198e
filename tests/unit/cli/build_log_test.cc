// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/build_log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "builder/cli/progress_plain.h"
#include "builder/cli/progress_rawjson.h"
#include "builder/cli/progress_tty.h"
#include "tests/support/image_fixture.h"

namespace lazybuild::cli {
namespace {

using solve::Outcome;

// Times say nothing in a test.
std::string without_times(std::string text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool digits = std::isdigit(static_cast<unsigned char>(text[i])) != 0;
        const bool in_time = digits && (i + 1 < text.size() && text[i + 1] == '.');
        if (in_time) {
            std::size_t end = i + 2;
            while (end < text.size() && std::isdigit(static_cast<unsigned char>(text[end])) != 0) {
                ++end;
            }
            text.replace(i, end - i, "T");
        }
    }
    return text;
}

TEST(PlainDisplay, prints_what_scripts_look_for) {
    RecordingConsole console;
    const auto display = plain_display(console, false);
    BuildLog log(*display);
    const auto one = log.begin("[1/2] RUN make");
    log.output(one, 1, "cc ma");
    log.output(one, 1, "in.c\nlink");
    log.end(one, Outcome::done, "");
    const auto two = log.begin("[2/2] RUN false");
    log.end(two, Outcome::failed, "exit code: 1");
    log.end(log.begin("COPY a b"), Outcome::cached, "");
    EXPECT_EQ(without_times(console.notes),
              "#1 [1/2] RUN make\n#1 T cc main.c\n#1 T link\n#1 DONE Ts\n\n"
              "#2 [2/2] RUN false\n#2 ERROR: exit code: 1\n\n"
              "#3 COPY a b\n#3 CACHED\n\n");
}

TEST(PlainDisplay, says_whose_lines_they_are_when_tasks_take_turns) {
    RecordingConsole console;
    const auto display = plain_display(console, false);
    BuildLog log(*display);
    const auto one = log.begin("one");
    const auto two = log.begin("two");
    log.output(one, 1, "a\n");
    log.output(two, 1, "b\n");
    EXPECT_EQ(without_times(console.notes), "#1 one\n#2 two\n\n#1 one\n#1 T a\n\n#2 two\n#2 T b\n");
}

TEST(BuildLog, keeps_the_last_lines_of_a_task) {
    RecordingConsole console;
    const auto display = quiet_display(console);
    BuildLog log(*display);
    const auto task = log.begin("RUN seq");
    for (int i = 0; i < 100; ++i) {
        log.output(task, 1, std::to_string(i) + "\n");
    }
    log.output(task, 2, "no end");
    log.end(task, Outcome::failed, "exit code: 1");
    const auto lines = log.tasks().front().last_lines;
    ASSERT_EQ(lines.size(), kLastLinesMax);
    EXPECT_EQ(lines.back(), "no end");
    EXPECT_EQ(lines.front(), "76");
}

TEST(BuildLog, clips_output_without_end_and_keeps_what_came_last) {
    RecordingConsole console;
    const auto display = plain_display(console, false);
    BuildLog log(*display);
    const auto task = log.begin("RUN yes");
    const std::string lines = std::string(999, 'y') + "\n";
    for (std::size_t sent = 0; sent < 2 * kTaskOutputBytesMax; sent += lines.size()) {
        log.output(task, 1, lines);
    }
    log.output(task, 1, "the end\n");
    log.end(task, Outcome::done, "");
    EXPECT_LT(console.notes.size(), kTaskOutputBytesMax + (256 << 10));
    EXPECT_NE(console.notes.find("[output clipped after"), std::string::npos);
    EXPECT_EQ(log.tasks().front().last_lines.back(), "the end");
}

TEST(BuildLog, takes_a_carriage_return_for_the_end_of_a_line) {
    RecordingConsole console;
    const auto display = quiet_display(console);
    BuildLog log(*display);
    const auto task = log.begin("RUN curl");
    log.output(task, 1, "10%\r20%\r\nok\n");
    const auto lines = log.tasks().front().last_lines;
    EXPECT_EQ(lines.front(), "10%");
    EXPECT_EQ(lines.back(), "ok");
}

class TtyDisplayTest : public testing::Test {
  protected:
    // Without a thread: everything is drawn once, at the end.
    std::unique_ptr<Display> display() {
        return tty_display({.write = [this](std::string_view text) { written_ += text; },
                            .size = [] { return TerminalSize{.rows = 10, .columns = 41}; },
                            .color = false,
                            .redraw = false});
    }
    std::string written_;
};

TEST_F(TtyDisplayTest, shows_what_is_done_and_what_runs) {
    const auto tty = display();
    BuildLog log(*tty);
    log.end(log.begin("[1/3] RUN a"), Outcome::cached, "");
    const auto task = log.begin("[2/3] RUN b");
    log.output(task, 1, "compiling\n");
    log.advance(task, "fetched lazily", 1'500'000, 20'000'000);
    log.finish();
    EXPECT_NE(written_.find(" => CACHED [1/3] RUN a"), std::string::npos) << written_;
    EXPECT_NE(written_.find(" => [2/3] RUN b"), std::string::npos);
    EXPECT_NE(written_.find(" => => compiling"), std::string::npos);
    EXPECT_NE(written_.find("fetched lazily 1.50MB / 20.00MB"), std::string::npos);
    EXPECT_NE(written_.find("(1/2, 1 cached)"), std::string::npos);
}

TEST_F(TtyDisplayTest, lets_no_escape_sequence_of_an_image_through) {
    const auto tty = display();
    BuildLog log(*tty);
    const auto task = log.begin("RUN \x1b]0;owned\a evil");
    log.output(task, 1, "\x1b[2Jgone\x1b]52;c;aGk=\a\n");
    log.finish();
    EXPECT_EQ(written_.find("owned"), std::string::npos);
    EXPECT_EQ(written_.find("\x1b[2J"), std::string::npos);
    EXPECT_EQ(written_.find("\x1b]"), std::string::npos);
    EXPECT_NE(written_.find("gone"), std::string::npos);
}

TEST_F(TtyDisplayTest, cuts_lines_at_the_edge) {
    const auto tty = display();
    BuildLog log(*tty);
    log.begin(std::string(200, 'x'));
    log.finish();
    std::size_t longest = 0;
    for (std::size_t begin = 0; begin < written_.size();) {
        const std::size_t end = std::min(written_.find("\r\n", begin), written_.size());
        longest = std::max(longest, end - begin);
        begin = end + 2;
    }
    EXPECT_LE(longest, 48U);  // 40 columns, and what is erased before
}

TEST(RawJsonDisplay, prints_an_object_a_line) {
    RecordingConsole console;
    const auto display = rawjson_display(console);
    BuildLog log(*display);
    const auto task = log.begin("RUN make");
    log.output(task, 1, "hi\n");
    log.end(task, Outcome::cached, "");
    std::vector<nlohmann::json> lines;
    for (std::size_t begin = 0; begin < console.notes.size();) {
        const std::size_t end = console.notes.find('\n', begin);
        lines.push_back(nlohmann::json::parse(console.notes.substr(begin, end - begin)));
        begin = end + 1;
    }
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[0]["vertexes"][0]["name"], "RUN make");
    EXPECT_EQ(lines[1]["logs"][0]["data"], "aGkK");
    EXPECT_EQ(lines[1]["logs"][0]["vertex"], lines[0]["vertexes"][0]["digest"]);
    EXPECT_EQ(lines[2]["vertexes"][0]["cached"], true);
}

}  // namespace
}  // namespace lazybuild::cli
