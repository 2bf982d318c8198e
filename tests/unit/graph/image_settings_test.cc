// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/image_settings.h"

#include <gtest/gtest.h>

#include "codec/sha256.h"

namespace lazybuild::graph {
namespace {

ImageSettings parsed(std::string_view text) {
    auto settings = ImageSettings::parse(as_bytes(text));
    EXPECT_TRUE(settings) << settings.error().message;
    return settings ? *std::move(settings) : ImageSettings{};
}

TEST(ImageSettings, are_read_from_ocis_and_dockers_members) {
    const ImageSettings settings = parsed(R"({
        "os": "linux", "architecture": "arm64", "variant": "v8", "author": "me",
        "config": {"User": "u", "WorkingDir": "/w", "Env": ["A=1"], "Entrypoint": ["e"],
            "Cmd": null, "ArgsEscaped": true, "ExposedPorts": {"9/tcp": {}, "80/tcp": {}},
            "Volumes": {"/v": {}}, "Labels": {"a": "b"}, "StopSignal": "INT",
            "Shell": ["/sh"], "OnBuild": ["RUN x"],
            "Healthcheck": {"Test": ["CMD", "x"], "Interval": 5, "Retries": 2}},
        "history": [{"created": "t", "created_by": "x", "comment": "c", "empty_layer": true}],
        "rootfs": {"type": "layers", "diff_ids": []}})");
    EXPECT_EQ(settings.platform.text(), "linux/arm64/v8");
    EXPECT_EQ(settings.author, "me");
    EXPECT_EQ(settings.user, "u");
    EXPECT_EQ(settings.environment, (std::vector<std::string>{"A=1"}));
    EXPECT_EQ(settings.entrypoint.value(), (std::vector<std::string>{"e"}));
    EXPECT_FALSE(settings.command);
    EXPECT_TRUE(settings.args_escaped);
    EXPECT_EQ(settings.exposed_ports, (std::vector<std::string>{"80/tcp", "9/tcp"}));
    EXPECT_EQ(settings.volumes, (std::vector<std::string>{"/v"}));
    EXPECT_EQ(settings.onbuild, (std::vector<std::string>{"RUN x"}));
    EXPECT_EQ(settings.health.value().interval_ns, 5);
    EXPECT_EQ(settings.health.value().retries, 2);
    ASSERT_EQ(settings.history.size(), 1U);
    EXPECT_EQ(settings.history[0].created, "t");
    EXPECT_TRUE(settings.history[0].empty_layer);
}

TEST(ImageSettings, say_where_a_config_is_wrong) {
    struct Row {
        const char* text;
        const char* error;
    };
    const Row rows[] = {
        {R"({"config": 1})", "config.config: not an object"},
        {R"({"config": {"Env": [1]}})", "config.config.Env[0]: not a string"},
        {R"({"config": {"ArgsEscaped": "yes"}})",
         "config.config.ArgsEscaped: neither true nor false"},
        {R"({"config": {"Healthcheck": {"Interval": "5s"}}})",
         "config.config.Healthcheck.Interval: not a whole number"},
        {R"({"history": [0]})", "config.history[0]: not an object"},
    };
    for (const Row& row : rows) {
        const auto settings = ImageSettings::parse(as_bytes(row.text));
        ASSERT_FALSE(settings) << row.text;
        EXPECT_EQ(settings.error().message, row.error);
        EXPECT_EQ(settings.error().code, std::errc::bad_message);
    }
}

TEST(ImageSettings, are_written_sorted_and_without_what_is_empty) {
    ImageSettings settings;
    settings.platform = {.os = "linux", .architecture = "amd64", .variant = {}, .os_version = {}};
    settings.environment = {"B=1", "A=2"};
    settings.command = std::vector<std::string>{"x"};
    settings.entrypoint = std::vector<std::string>{};
    settings.labels = {{"z", "1"}, {"a", "2"}};
    settings.exposed_ports = {"80/tcp"};
    settings.health = Health{.test = {"NONE"}};
    settings.history = {{.created_by = "a", .empty_layer = true}, {.created = "t", .comment = "c"}};
    const codec::Digest digest = codec::sha256(as_bytes("x"));
    EXPECT_EQ(serialize(settings, {digest}, "2026-01-01T00:00:00Z"),
              R"({"architecture":"amd64","config":{"Cmd":["x"],"Env":["B=1","A=2"],)"
              R"("ExposedPorts":{"80/tcp":{}},"Healthcheck":{"Test":["NONE"]},)"
              R"("Labels":{"a":"2","z":"1"}},"created":"2026-01-01T00:00:00Z",)"
              R"("history":[{"created_by":"a","empty_layer":true},{"comment":"c","created":"t"}],)"
              R"("os":"linux","rootfs":{"diff_ids":[")" +
                  digest.text() + R"("],"type":"layers"}})");
}

TEST(ImageSettings, keep_members_that_nobody_knows_and_drop_those_of_the_base) {
    ImageSettings settings =
        parsed(R"({"zz": [1], "id": "old", "container_config": {"Cmd": ["x"]}, "created": "then",)"
               R"("moby.buildkit.cache.v0": "e30=", "os": "linux", "architecture": "amd64",)"
               R"("config": {"Hostname": "h", "X-Own": 5, "Cmd": ["x"], "Labels": {"a": "b"}}})");
    settings.command.reset();
    settings.labels.clear();
    EXPECT_EQ(serialize(settings, {}, ""),
              R"({"architecture":"amd64","config":{"X-Own":5},"os":"linux",)"
              R"("rootfs":{"diff_ids":[],"type":"layers"},"zz":[1]})");
}

TEST(ImageSettings, are_the_same_after_writing_and_reading) {
    const std::string text =
        R"({"architecture":"arm64","author":"a","config":{"ArgsEscaped":true,"Cmd":["c"],)"
        R"("Entrypoint":["e"],"Env":["A=1"],"ExposedPorts":{"1/tcp":{}},"Healthcheck":)"
        R"({"Interval":1,"Retries":5,"StartInterval":4,"StartPeriod":3,"Test":["CMD","x"],)"
        R"("Timeout":2},"Labels":{"l":"v"},"OnBuild":["RUN x"],"Shell":["s"],"StopSignal":"9",)"
        R"("User":"u","Volumes":{"/v":{}},"WorkingDir":"/w"},"history":[{"author":"h",)"
        R"("created_by":"b"}],"os":"linux","os.version":"1","rootfs":{"diff_ids":[],)"
        R"("type":"layers"},"variant":"v8"})";
    EXPECT_EQ(serialize(parsed(text), {}, ""), text);
}

}  // namespace
}  // namespace lazybuild::graph
