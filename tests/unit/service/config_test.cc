// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/config.h"

#include <gtest/gtest.h>

namespace lazybuild::service {
namespace {

std::string error_of(std::string_view text) {
    auto parsed = parse_config(text, "c.toml");
    if (parsed) {
        return "";
    }
    EXPECT_EQ(parsed.error().code, std::errc::invalid_argument);
    return parsed.error().message;
}

TEST(Config, of_nothing_is_the_defaults) {
    const ParsedConfig parsed = parse_config("", "c.toml").value();
    EXPECT_EQ(parsed.config.root, "/var/lib/lazy-snapshotter");
    EXPECT_EQ(parsed.config.address, "/run/lazy-snapshotter/lazy-snapshotter.sock");
    EXPECT_EQ(parsed.config.prepare_timeout, std::chrono::seconds{30});
    EXPECT_TRUE(parsed.warnings.empty());
    EXPECT_TRUE(check_config(parsed.config).has_value());
}

TEST(Config, takes_every_kind_of_value) {
    const ParsedConfig parsed = parse_config(R"(
root = "/srv/lazy"
log_level = "debug"
prepare_timeout_s = 5
erofs_mounts = "loop"
trust = "verified"
plain_layers = "claim"
[registry]
docker_config = "/etc/docker.json"
plain_http = true
connections_per_host = 3
[fetch]
read_timeout_s = 7
background_fill = false
fill_quiet_ms = 250
)",
                                             "c.toml")
                                    .value();
    EXPECT_EQ(parsed.config.root, "/srv/lazy");
    EXPECT_TRUE(parsed.config.claim_plain_layers);
    EXPECT_EQ(parsed.config.log_level, log::Level::debug);
    EXPECT_EQ(parsed.config.prepare_timeout, std::chrono::seconds{5});
    EXPECT_EQ(parsed.config.erofs_mounts, fuse::ErofsBacking::loop);
    EXPECT_TRUE(parsed.config.fetch.verify_first);
    EXPECT_EQ(parsed.config.registry.auth_file, "/etc/docker.json");
    EXPECT_TRUE(parsed.config.registry.plain_http);
    EXPECT_EQ(parsed.config.registry.connections_per_host, 3u);
    EXPECT_EQ(parsed.config.fetch.read_timeout, std::chrono::seconds{7});
    EXPECT_FALSE(parsed.config.fetch.background_fill);
    EXPECT_EQ(parsed.config.fetch.fill_quiet, std::chrono::milliseconds{250});
    EXPECT_TRUE(parsed.warnings.empty());
}

TEST(Config, warns_about_unknown_keys_and_goes_on) {
    const ParsedConfig parsed = parse_config(R"(root = "/srv/lazy"
rooot = "/x"
[registry]
plain = true
[metrics]
address = "x"
)",
                                             "c.toml")
                                    .value();
    EXPECT_EQ(parsed.config.root, "/srv/lazy");
    EXPECT_EQ(parsed.warnings, (std::vector<std::string>{"c.toml:5: unknown key metrics",
                                                         "c.toml:4: unknown key registry.plain",
                                                         "c.toml:2: unknown key rooot"}));
}

TEST(Config, errors_name_the_file_the_line_and_the_key) {
    EXPECT_EQ(error_of("\nprepare_timeout_s = \"30\""),
              "c.toml:2: prepare_timeout_s: expected a whole number from 1 to 3600");
    EXPECT_EQ(error_of("[registry]\nplain_http = 1"),
              "c.toml:2: registry.plain_http: expected true or false");
    EXPECT_EQ(error_of("root = 3"), "c.toml:1: root: expected a string");
    EXPECT_EQ(error_of("log_level = \"loud\""),
              "c.toml:1: log_level: expected \"debug\", \"info\", \"warning\" or \"error\"");
    EXPECT_EQ(error_of("fetch = 1"), "c.toml:1: fetch: expected a section, [fetch]");
    EXPECT_EQ(error_of("[root]\nx = 1"), "c.toml:1: root: expected a string");
}

TEST(Config, refuses_numbers_out_of_range) {
    EXPECT_NE(error_of("prepare_timeout_s = 0"), "");
    EXPECT_NE(error_of("prepare_timeout_s = 1.5"), "");
    EXPECT_NE(error_of("[fetch]\nfetches_max = 100000"), "");
    EXPECT_NE(error_of("[fetch]\nfill_quiet_ms = -1"), "");
}

TEST(Config, reports_broken_toml_with_its_line) {
    EXPECT_TRUE(error_of("root = \"/a\"\nroot = [").starts_with("c.toml:2: "));
    EXPECT_TRUE(error_of("a = 1\na = 2").starts_with("c.toml:2: "));
}

TEST(Config, paths_must_fit_into_mount_options) {
    Config config;
    for (const char* root : {"relative", "/", "", "/a,b", "/a:b", "/a b", "/a\\b", "/srv/"}) {
        config.root = root;
        EXPECT_FALSE(check_config(config).has_value()) << root;
    }
    config.root = "/srv/lazy-1_2.3";
    EXPECT_TRUE(check_config(config).has_value());
    config.address = "lazy.sock";
    EXPECT_FALSE(check_config(config).has_value());
    config.address = Config{}.address;
    EXPECT_TRUE(check_config(config).has_value());
    config.keeper = "none";
    EXPECT_TRUE(check_config(config).has_value());
    config.keeper = "no";
    EXPECT_FALSE(check_config(config).has_value());
}

TEST(Config, that_is_missing_is_an_error) {
    EXPECT_EQ(read_config("/nowhere/config.toml").error().code,
              std::errc::no_such_file_or_directory);
}

// The shipped example says the defaults, and every key of it exists.
TEST(Config, example_is_the_defaults) {
    const ParsedConfig parsed = read_config(LAZYBUILD_SOURCE_DIR "/systemd/config.toml").value();
    const Config defaults;
    EXPECT_EQ(parsed.warnings, std::vector<std::string>{});
    EXPECT_EQ(parsed.config.root, defaults.root);
    EXPECT_EQ(parsed.config.address, defaults.address);
    EXPECT_EQ(parsed.config.keeper, defaults.keeper);
    EXPECT_EQ(parsed.config.prepare_timeout, defaults.prepare_timeout);
    EXPECT_EQ(parsed.config.registry.auth_file, defaults.registry.auth_file);
    EXPECT_EQ(parsed.config.registry.connections_per_host, defaults.registry.connections_per_host);
    EXPECT_EQ(parsed.config.registry.connect_timeout, defaults.registry.connect_timeout);
    EXPECT_EQ(parsed.config.registry.idle_timeout, defaults.registry.idle_timeout);
    EXPECT_EQ(parsed.config.fetch.read_timeout, defaults.fetch.read_timeout);
    EXPECT_EQ(parsed.config.fetch.fill_quiet, defaults.fetch.fill_quiet);
    EXPECT_EQ(parsed.config.fetch.fetches_max, defaults.fetch.fetches_max);
    EXPECT_EQ(parsed.config.fetch.fills_max, defaults.fetch.fills_max);
}

}  // namespace
}  // namespace lazybuild::service
