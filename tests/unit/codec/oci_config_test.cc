// SPDX-License-Identifier: Apache-2.0
#include "codec/oci_config.h"

#include <gtest/gtest.h>

#include <string>

#include "codec/sha256.h"

namespace lazybuild::codec {
namespace {

const std::string kConfig =
    R"({"architecture":"amd64","config":{"Hostname":"","User":"app","Env":["A=b"],"Cmd":null,)"
    R"("Entrypoint":["/bin/sh","-c"],"WorkingDir":"/srv","Labels":{"k":"v"},"OnBuild":null},)"
    R"("created":"2024-01-02T03:04:05Z","docker_version":"20.10","history":[)"
    R"({"created":"2024-01-02T03:04:05Z","created_by":"ADD file"},)"
    R"({"created_by":"CMD","empty_layer":true}],"os":"linux","rootfs":{"type":"layers","diff_ids":[)"
    R"("sha256:0ef6a0a1ab8b1e1d8cd3f9d4d4c1e44cbd8c1bb6ab7d8ca6f1f9ba1d3a1df4a1"]}})";

TEST(ImageConfig, reads_what_a_container_of_it_runs) {
    const auto config = ImageConfig::parse(as_bytes(kConfig));
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->platform.text(), "linux/amd64");
    EXPECT_EQ(config->user, "app");
    EXPECT_EQ(config->entrypoint, (std::vector<std::string>{"/bin/sh", "-c"}));
    EXPECT_TRUE(config->command.empty());
    EXPECT_EQ(config->labels.at("k"), "v");
    ASSERT_EQ(config->history.size(), 2U);
    EXPECT_FALSE(config->history[0].empty_layer);
    EXPECT_TRUE(config->history[1].empty_layer);
    EXPECT_EQ(config->diff_ids.size(), 1U);
}

TEST(ImageConfig, is_written_as_it_was_read) {
    const auto config = ImageConfig::parse(as_bytes(kConfig));
    ASSERT_TRUE(config);
    EXPECT_EQ(config->serialize(), kConfig);
}

TEST(ImageConfig, keeps_everything_but_the_diff_ids) {
    auto config = ImageConfig::parse(as_bytes(kConfig));
    ASSERT_TRUE(config);
    const std::string before = config->diff_ids[0].text();
    const Digest after = sha256(as_bytes("new"));
    config->diff_ids = {after};
    std::string expected = kConfig;
    expected.replace(expected.find(before), before.size(), after.text());
    EXPECT_EQ(config->serialize(), expected);
}

TEST(ImageConfig, without_layers_is_an_image_too) {
    const std::string text =
        R"({"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":null}})";
    const auto config = ImageConfig::parse(as_bytes(text));
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_TRUE(config->diff_ids.empty());
    EXPECT_EQ(config->serialize(), text);
}

TEST(ImageConfig, names_the_member_that_is_wrong) {
    const std::string head = R"({"os":"linux","architecture":"amd64",)";
    const std::string rootfs = R"("rootfs":{"type":"layers","diff_ids":[]})";
    const struct {
        std::string text;
        std::string message;
    } cases[] = {
        {"{}", "config.os: missing"},
        {R"({"os":"linux"})", "config.architecture: missing"},
        {head + R"("rootfs":{"type":"x"}})", "config.rootfs.type: \"x\", not \"layers\""},
        {head + R"("rootfs":{"type":"layers","diff_ids":[1]}})",
         "config.rootfs.diff_ids[0]: not a string"},
        {head + rootfs + R"(,"config":[]})", "config.config: not an object"},
        {head + rootfs + R"(,"config":{"Env":[1]}})", "config.config.Env[0]: not a string"},
        {head + rootfs + R"(,"history":[{"empty_layer":1}]})",
         "config.history[0].empty_layer: neither true nor false"},
        {head + rootfs + R"(,"history":[1]})", "config.history[0]: not an object"},
    };
    for (const auto& wrong : cases) {
        const auto config = ImageConfig::parse(as_bytes(wrong.text));
        ASSERT_FALSE(config) << wrong.text;
        EXPECT_EQ(config.error().message, wrong.message);
    }
}

// The specification's rule, spelled out with its own primitive.
TEST(ChainIds, are_the_digests_of_the_chain_so_far) {
    const Digest a = sha256(as_bytes("a"));
    const Digest b = sha256(as_bytes("b"));
    const Digest c = sha256(as_bytes("c"));
    const Digest ab = sha256(as_bytes(a.text() + " " + b.text()));
    const Digest abc = sha256(as_bytes(ab.text() + " " + c.text()));
    EXPECT_EQ(chain_ids({a, b, c}), (std::vector<Digest>{a, ab, abc}));
    EXPECT_TRUE(chain_ids({}).empty());
}

}  // namespace
}  // namespace lazybuild::codec
