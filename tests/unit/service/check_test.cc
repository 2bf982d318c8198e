// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/check.h"

#include <gtest/gtest.h>

namespace lazybuild::service {
namespace {

TEST(Check, reports_each_feature_and_a_verdict) {
    const std::vector<fuse::HostFeature> features = {
        {.name = "EROFS", .works = true, .needed = true, .detail = ""},
        {.name = "directio", .works = false, .needed = false, .detail = "Linux 6.15"}};
    EXPECT_TRUE(is_usable(features));
    EXPECT_EQ(check_report(features),
              "ok      EROFS\n"
              "slower  directio  Linux 6.15\n"
              "layers will be served lazily: EROFS over FUSE disks\n");
    const std::vector<fuse::HostFeature> missing = {
        {.name = "/dev/fuse", .works = false, .needed = true, .detail = "modprobe fuse"}};
    EXPECT_FALSE(is_usable(missing));
    EXPECT_EQ(check_report(missing),
              "MISSING /dev/fuse  modprobe fuse\n"
              "layers cannot be served lazily here\n");
}

}  // namespace
}  // namespace lazybuild::service
