// SPDX-License-Identifier: Apache-2.0
#include "builder/image/session.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "snapshotter/io/event.h"
#include "tests/support/image_fixture.h"

namespace lazybuild::image {
namespace {

class SessionTest : public testing::Test {
  protected:
    void SetUp() override {
        auto opened = Session::open({}, console_, 1);
        ASSERT_TRUE(opened) << opened.error().message;
        session_ = *std::move(opened);
    }

    cli::RecordingConsole console_;
    std::unique_ptr<Session> session_;
};

io::Task<std::string> name_thread(Session& session, std::string name) {
    co_return session.reactor().on_thread() ? name + " on the reactor" : name;
}

io::Task<void> count(int& number) {
    ++number;
    co_return;
}

io::Task<Result<void>> wait_for_ever(Session& session) {
    io::Event never{session.reactor()};
    co_return co_await never.wait(session.wait());
}

TEST_F(SessionTest, runs_tasks_for_a_function_that_blocks) {
    const std::string answer = session_->run_blocking([this] {
        EXPECT_FALSE(session_->reactor().on_thread());
        return session_->wait_for(name_thread(*session_, "a task"));
    });
    EXPECT_EQ(answer, "a task on the reactor");
}

TEST_F(SessionTest, runs_tasks_for_several_threads) {
    int number = 0;
    session_->run_blocking([&] {
        auto many = [&] {
            for (int i = 0; i < 1000; ++i) {
                session_->wait_for(count(number));
            }
        };
        std::thread first{many};
        std::thread second{many};
        first.join();
        second.join();
    });
    EXPECT_EQ(number, 2000);
}

TEST_F(SessionTest, ends_what_waits_when_the_user_interrupts) {
    console_.interrupt_at = "begun";
    const Result<void> ended = session_->run_blocking([this] {
        console_.note("begun");
        return session_->wait_for(wait_for_ever(*session_));
    });
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, std::errc::operation_canceled);
    EXPECT_FALSE(session_->check_interrupt());
}

io::Task<void> outlive(Session& session, const std::string& kept, std::string& seen) {
    io::Event never{session.reactor()};
    const Result<void> ended = co_await never.wait({});
    seen = ended ? "" : kept;
}

TEST_F(SessionTest, keeps_what_tasks_use_until_they_have_ended) {
    std::string seen;
    auto kept = std::make_shared<std::string>("still there");
    session_->reactor().spawn(outlive(*session_, *kept, seen));
    session_->keep(kept);
    kept.reset();
    session_->run_blocking([] {});
    EXPECT_EQ(seen, "");
    session_.reset();
    EXPECT_EQ(seen, "still there");
}

}  // namespace
}  // namespace lazybuild::image
