// SPDX-License-Identifier: Apache-2.0
#include "builder/image/image_place.h"

#include <gtest/gtest.h>

#include "codec/sha256.h"

namespace lazybuild::image {
namespace {

TEST(ImagePlace, is_a_registry_unless_it_has_a_prefix) {
    const auto place = ImagePlace::parse("python:3.11");
    ASSERT_TRUE(place);
    EXPECT_EQ(place->kind, ImagePlace::Kind::registry);
    EXPECT_EQ(place->text(), "docker.io/library/python:3.11");
    EXPECT_EQ(ImagePlace::parse("docker://oci")->text(), "docker.io/library/oci:latest");
}

TEST(ImagePlace, has_a_path_and_perhaps_a_tag) {
    const auto place = ImagePlace::parse("oci:/a/b:v1.0");
    ASSERT_TRUE(place);
    EXPECT_EQ(place->path, "/a/b");
    EXPECT_EQ(place->tag, "v1.0");
    EXPECT_EQ(place->text(), "oci:/a/b:v1.0");
    EXPECT_EQ(ImagePlace::parse("oci:rel")->tag, "");
    EXPECT_EQ(ImagePlace::parse("oci:/odd:name/x")->path, "/odd:name/x");
    EXPECT_EQ(ImagePlace::parse("docker-archive:f.tar:t")->kind, ImagePlace::Kind::docker_archive);
}

TEST(ImagePlace, refuses_what_it_cannot_mean) {
    for (const char* text :
         {"oci:", "oci::tag", "oci:a:", "oci:a:-b", "dir:/x", "", "a/B", "containers-storage:x"}) {
        EXPECT_FALSE(ImagePlace::parse(text)) << text;
    }
    EXPECT_FALSE(ImagePlace::parse_target("oci-archive:a"));
    EXPECT_FALSE(ImagePlace::parse_target("a@" + codec::sha256({}).text()));
    EXPECT_TRUE(ImagePlace::parse_target("oci:a"));
}

}  // namespace
}  // namespace lazybuild::image
