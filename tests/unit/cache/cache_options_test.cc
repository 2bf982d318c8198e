// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/cache_options.h"

#include <gtest/gtest.h>

#include "tests/support/says.h"

namespace lazybuild::cache {
namespace {

CacheTo to(const std::string& text, bool strict_default = false) {
    auto parsed = CacheTo::parse(text, strict_default);
    EXPECT_TRUE(parsed) << parsed.error().message;
    return parsed.value_or(CacheTo{});
}

std::string to_error(const std::string& text) {
    const auto parsed = CacheTo::parse(text, false);
    EXPECT_FALSE(parsed) << text;
    return parsed ? "" : parsed.error().message;
}

std::string from_error(const std::string& text) {
    const auto parsed = CacheFrom::parse(text);
    EXPECT_FALSE(parsed) << text;
    return parsed ? "" : parsed.error().message;
}

TEST(CacheTo, a_bare_reference_is_a_registry) {
    const CacheTo parsed = to("host.example/app:cache");
    EXPECT_EQ(parsed.backend, Backend::registry);
    EXPECT_EQ(parsed.reference, "host.example/app:cache");
    EXPECT_EQ(parsed.mode, Mode::min);
    EXPECT_EQ(parsed.name(), "host.example/app:cache");
}

TEST(CacheTo, reads_all_common_attributes) {
    const CacheTo parsed =
        to("type=registry,ref=app,mode=max,compression=zstd,compression-level=9,"
           "force-compression=true,oci-mediatypes=true,image-manifest=false,ignore-error=1,"
           "registry.insecure=false,strict=true,mounts=true");
    EXPECT_EQ(parsed.reference, "docker.io/library/app:latest");
    EXPECT_EQ(parsed.mode, Mode::max);
    EXPECT_EQ(parsed.compression, layers::Compression::zstd);
    EXPECT_EQ(parsed.level(), 9);
    EXPECT_TRUE(parsed.force_compression && parsed.ignore_error && parsed.strict && parsed.mounts);
    EXPECT_FALSE(parsed.image_manifest);
    EXPECT_FALSE(parsed.insecure);
    EXPECT_TRUE(to("type=registry,ref=app,registry.insecure=true").insecure);
}

TEST(CacheTo, local_has_a_directory_and_a_tag) {
    const CacheTo parsed = to("type=local,dest=/tmp/c,tag=main,reset=true");
    EXPECT_EQ(parsed.backend, Backend::local);
    EXPECT_EQ(parsed.directory, "/tmp/c");
    EXPECT_EQ(parsed.tag, "main");
    EXPECT_TRUE(parsed.reset);
    EXPECT_TRUE(says(to_error("type=local"), "needs dest=DIRECTORY"));
    EXPECT_TRUE(says(to_error("app:cache,mode=max"), "is type=registry,ref=REFERENCE,KEY=VALUE"));
}

TEST(CacheTo, is_strict_by_default_where_the_caller_says_so) {
    EXPECT_TRUE(to("app", true).strict);
    EXPECT_FALSE(to("type=registry,ref=app,strict=false", true).strict);
}

TEST(CacheTo, inline_has_no_room_for_max) {
    EXPECT_EQ(to("type=inline").backend, Backend::inlined);
    EXPECT_TRUE(says(to_error("type=inline,mode=max"), "type=registry,ref=…,mode=max"));
}

TEST(CacheTo, docker_types_take_gzip) {
    const CacheTo parsed = to("type=registry,ref=app,oci-mediatypes=false");
    EXPECT_EQ(parsed.compression, layers::Compression::gzip);
    EXPECT_FALSE(parsed.image_manifest);
    EXPECT_TRUE(says(to_error("type=registry,ref=app,oci-mediatypes=false,compression=zstd"),
                     "gzip and uncompressed"));
}

TEST(CacheTo, names_what_is_wrong_and_what_was_meant) {
    EXPECT_TRUE(says(to_error("type=registry,ref=app,mod=max"), "did you mean mode?"));
    EXPECT_TRUE(says(to_error("type=registri,ref=app"), "did you mean registry?"));
    EXPECT_TRUE(says(to_error("type=registry,ref=app,mode=maximum"), "there are: max, min"));
    EXPECT_TRUE(says(to_error("type=registry,ref=app,compression-level=40"), "0 to 12"));
    EXPECT_TRUE(says(to_error("ref=app,mode=max"), "type= is missing"));
    EXPECT_TRUE(says(to_error("type=registry,dest=x"), "unknown key \"dest\""));
    EXPECT_TRUE(says(to_error("type=registry,ref=app@sha256:" + std::string(64, 'a')), "digest"));
}

TEST(CacheTo, backends_that_are_not_here_are_named_as_such) {
    EXPECT_TRUE(says(to_error("type=gha"), "type=gha is not supported yet; there are: inline"));
    EXPECT_TRUE(says(to_error("type=s3,secret_access_key=hunter2"), "not supported yet"));
}

TEST(CacheTo, no_value_of_an_unknown_key_is_in_an_error) {
    for (const char* const text :
         {"type=s3,secret_access_key=hunter2", "type=registry,ref=app,token=hunter2",
          "type=registry,ref=app,\"token=hunter2", "type=registry,hunter2",
          "type=local,dest=x,secret=hunter2"}) {
        EXPECT_FALSE(says(to_error(text), "hunter2")) << to_error(text);
    }
}

TEST(CacheFrom, reads_where_to_look) {
    EXPECT_EQ(CacheFrom::parse("app")->reference, "docker.io/library/app:latest");
    const auto local = CacheFrom::parse("type=local,src=dir,digest=sha256:" + std::string(64, 'a'));
    ASSERT_TRUE(local);
    EXPECT_EQ(local->directory, "dir");
    EXPECT_TRUE(local->digest);
    EXPECT_EQ(local->tag, "latest");
    EXPECT_TRUE(CacheFrom::parse("type=registry,ref=app,registry.insecure=1")->insecure);
}

TEST(CacheFrom, takes_several_references_at_once) {
    EXPECT_EQ(caches_named("app,host:5/app:2"), (std::vector<std::string>{"app", "host:5/app:2"}));
    for (const std::string one : {"app", "type=registry,ref=app", "", "app,mode=max"}) {
        EXPECT_EQ(caches_named(one), std::vector<std::string>{one});
    }
}

TEST(CacheFrom, says_how_inline_caches_are_read) {
    EXPECT_TRUE(says(from_error("type=inline"), "type=registry,ref=IMAGE"));
    EXPECT_TRUE(says(from_error("type=local,dest=x"), "did you mean"));
}

}  // namespace
}  // namespace lazybuild::cache
