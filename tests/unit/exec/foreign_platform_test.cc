// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/foreign_platform.h"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace lazybuild::exec {
namespace {

class ForeignPlatform : public ::testing::Test {
  protected:
    Result<void> check(const std::string& platform) {
        return check_platform(*codec::Platform::parse(platform), directory_.path());
    }
    test::TempDir directory_;
};

TEST_F(ForeignPlatform, is_none_when_it_is_the_hosts) {
    EXPECT_TRUE(check(codec::host_platform().text()));
}

TEST_F(ForeignPlatform, runs_with_an_emulator_that_containers_reach) {
    EXPECT_FALSE(check("linux/riscv64"));
    directory_.write("qemu-riscv64", "enabled\ninterpreter /usr/bin/qemu\nflags: OCF\noffset 0\n");
    EXPECT_TRUE(check("linux/riscv64"));
}

TEST_F(ForeignPlatform, needs_an_emulator_that_is_on_and_opened_at_registration) {
    directory_.write("qemu-riscv64", "enabled\ninterpreter /usr/bin/qemu-F\nflags: OC\n");
    EXPECT_FALSE(check("linux/riscv64"));
    directory_.write("qemu-riscv64", "disabled\ninterpreter /usr/bin/qemu\nflags: F\n");
    EXPECT_FALSE(check("linux/riscv64"));
}

TEST_F(ForeignPlatform, says_what_to_install) {
    const auto refused = check("linux/s390x");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("linux/s390x"), std::string::npos);
    EXPECT_NE(refused.error().message.find("qemu-user-static"), std::string::npos);
    EXPECT_FALSE(check("windows/amd64"));
}

}  // namespace
}  // namespace lazybuild::exec
