// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/run_mount.h"

#include <gtest/gtest.h>

namespace lazybuild::dockerfile {
namespace {

using Type = MountOptions::Type;

Result<std::string> as_it_is(std::string_view word) {
    return std::string{word};
}

MountOptions mount(std::string_view text) {
    const auto parsed = parse_mount(text, as_it_is);
    EXPECT_TRUE(parsed) << text << ": " << (parsed ? "" : parsed.error().message);
    return parsed.value_or(MountOptions{});
}

TEST(RunMount, has_defaults_by_type) {
    EXPECT_EQ(mount("target=/x").type, Type::bind);
    EXPECT_TRUE(mount("target=/x").read_only);
    EXPECT_TRUE(mount("type=bind,target=/x").read_only);
    EXPECT_FALSE(mount("type=cache,target=/x").read_only);
    EXPECT_FALSE(mount("type=tmpfs,target=/x").read_only);
    EXPECT_TRUE(mount("type=secret,id=x").read_only);
    EXPECT_TRUE(mount("type=ssh").read_only);
    EXPECT_FALSE(mount("target=/x,rw").read_only);
    EXPECT_FALSE(mount("target=/x,readwrite=true").read_only);
    EXPECT_FALSE(mount("target=/x,ro=false").read_only);
    EXPECT_TRUE(mount("type=cache,target=/x,readonly").read_only);
    EXPECT_TRUE(mount("type=cache,target=/x,rw=0").read_only);
    EXPECT_TRUE(mount("target=/x,rw,ro").read_only);
}

TEST(RunMount, reads_every_option) {
    const MountOptions cache =
        mount("TYPE=cache,id=a,dst=/x,from=b,src=/y,sharing=Locked,mode=0700,uid=1,gid=2,ro=TRUE");
    EXPECT_EQ(cache.type, Type::cache);
    EXPECT_EQ(cache.id, "a");
    EXPECT_EQ(cache.target, "/x");
    EXPECT_EQ(cache.from, "b");
    EXPECT_EQ(cache.source, "/y");
    EXPECT_EQ(cache.sharing, MountOptions::Sharing::locked);
    EXPECT_EQ(cache.mode, 0700u);
    EXPECT_EQ(cache.uid, 1u);
    EXPECT_EQ(cache.gid, 2u);
    EXPECT_TRUE(cache.read_only);
    const MountOptions secret = mount("type=secret,id=a,env=A,target=/x,required");
    EXPECT_EQ(secret.variable, "A");
    EXPECT_TRUE(secret.required);
    EXPECT_FALSE(mount("type=ssh,required=false,id=x").required);
    EXPECT_EQ(mount("type=bind,destination=/z,source=q").target, "/z");
}

TEST(RunMount, reads_sizes) {
    const struct {
        std::string_view text;
        std::uint64_t bytes;
    } cases[]{{"0", 0},           {"512", 512},       {"1k", 1024},        {"1K", 1024},
              {"1kb", 1024},      {"1KiB", 1024},     {"64m", 64 << 20},   {"1.5g", 3ull << 29},
              {"2t", 2ull << 40}, {"1p", 1ull << 50}, {"10 mb", 10 << 20}, {"7b", 7}};
    for (const auto& one : cases) {
        EXPECT_EQ(mount("type=tmpfs,target=/x,size=" + std::string{one.text}).size_bytes, one.bytes)
            << one.text;
    }
}

TEST(RunMount, reads_csv) {
    EXPECT_EQ(mount("\"target=/a,b\",\"source=c\"\"d\"").target, "/a,b");
    EXPECT_EQ(mount("\"target=/a,b\",\"source=c\"\"d\"").source, "c\"d");
    EXPECT_EQ(mount("target=a=b").target, "a=b");
}

TEST(RunMount, expands_each_value_alone) {
    const auto expand = [](std::string_view word) -> Result<std::string> {
        return word == "$x" ? "cache,id=y" : std::string{word};
    };
    EXPECT_EQ(parse_mount("type=cache,target=$x", expand)->target, "cache,id=y");
    const auto failing = [](std::string_view) -> Result<std::string> {
        return fail(invalid("no value"));
    };
    EXPECT_EQ(parse_mount("target=$x", failing).error().message, "no value");
}

TEST(RunMount, says_what_is_wrong) {
    const struct {
        std::string_view text;
        std::string_view message;
    } cases[]{
        {"", "invalid field '' must be a key=value pair"},
        {"type=binds,target=/x", "unsupported mount type \"binds\" (did you mean bind?)"},
        {"type=foo,target=/x", "unsupported mount type \"foo\""},
        {"targt=/x", "unexpected key 'targt' in 'targt=/x' (did you mean target?)"},
        {"foobar=/x", "unexpected key 'foobar' in 'foobar=/x'"},
        {"target", "invalid field 'target' must be a key=value pair"},
        {"target=/x,ro=x", "invalid value for ro: x"},
        {"target=/x,rw=x", "invalid value for rw: x"},
        {"target=/x,required", "unexpected key 'required' for mount type 'bind'"},
        {"type=cache,target=/x,required=true", "unexpected key 'required' for mount type 'cache'"},
        {"target=/x,size=1", "unexpected key 'size' for mount type 'bind'"},
        {"type=tmpfs,target=/x,size=x", "invalid value for size: x"},
        {"type=tmpfs,target=/x,size=1q", "invalid value for size: 1q"},
        {"type=tmpfs,target=/x,size=-1", "invalid value for size: -1"},
        {"type=tmpfs,target=/x,size=99999999p", "invalid value for size: 99999999p"},
        {"type=cache,target=/x,sharing=lock",
         "unsupported sharing value \"lock\" (did you mean "
         "locked?)"},
        {"target=/x,sharing=locked", "invalid cache sharing set for bind mount"},
        {"type=ssh,sharing=locked", "invalid cache sharing set for ssh mount"},
        {"type=cache,target=/x,mode=9", "invalid value 9 for mode"},
        {"type=cache,target=/x,uid=x", "invalid value x for uid"},
        {"type=cache,target=/x,gid=-1", "invalid value -1 for gid"},
        {"type=cache,target=/x,uid=4294967296", "invalid value 4294967296 for uid"},
        {"target=/x,mode=0", "mode not allowed for \"bind\" type mounts"},
        {"type=tmpfs,target=/x,uid=0", "uid not allowed for \"tmpfs\" type mounts"},
        {"type=tmpfs,target=/x,gid=0", "gid not allowed for \"tmpfs\" type mounts"},
        {"type=secret,id=a,from=b", "secret mount should not have a from"},
        {"type=secret,id=a,sharing=shared", "secret mount should not define sharing"},
        {"type=secret", "invalid secret mount. one of source, target required"},
        {"type=secret,id=a,source=b", "both source and id can't be set"},
        {"target=\"/x\"",
         "failed to parse csv mounts: parse error on column 8: bare \" in "
         "non-quoted field"},
        {"\"target=/x",
         "failed to parse csv mounts: parse error on column 1: extraneous or "
         "missing \" in quoted-field"},
        {"\"target=/x\"y",
         "failed to parse csv mounts: parse error on column 1: extraneous or "
         "missing \" in quoted-field"}};
    for (const auto& one : cases) {
        const auto parsed = parse_mount(one.text, as_it_is);
        ASSERT_FALSE(parsed) << one.text;
        EXPECT_EQ(parsed.error().message, one.message) << one.text;
    }
    EXPECT_FALSE(parse_mount(std::string(100, ','), as_it_is));
}

TEST(RunMount, tells_its_stage_before_anything_is_expanded) {
    EXPECT_EQ(mount_from("type=cache,From=build,target=$x"), "build");
    EXPECT_EQ(mount_from("type=tmpfs,target=/x"), "");
    EXPECT_TRUE(check_mount("from=a$,target=/x"));
    EXPECT_EQ(check_mount("from=$a").error().message,
              "'from' doesn't support variable expansion, define alias stage instead");
    EXPECT_TRUE(check_mount("type=$x,nonsense")) << "left for later";
}

}  // namespace
}  // namespace lazybuild::dockerfile
