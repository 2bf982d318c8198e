// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/build_options.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"
#include "builder/cli/run_options.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::cli {
namespace {

std::string error_of(const BuildArgs& args) {
    const auto options = read_options(args);
    return options ? "" : options.error().message;
}

TEST(BuildOptions, takes_a_build_argument_without_a_value_from_the_environment) {
    ::setenv("LAZYBUILD_TEST_THERE", "yes", 1);
    ::unsetenv("LAZYBUILD_TEST_MISSING");
    const auto options = read_options(
        {.build_arguments = {"A=1", "LAZYBUILD_TEST_THERE", "LAZYBUILD_TEST_MISSING", "B=c=d"}});
    ASSERT_TRUE(options) << options.error().message;
    const std::map<std::string, std::string> wanted = {
        {"A", "1"}, {"LAZYBUILD_TEST_THERE", "yes"}, {"B", "c=d"}};
    EXPECT_EQ(options->plan.build_arguments, wanted);
}

TEST(BuildOptions, reads_files_of_build_arguments_which_flags_overrule) {
    const test::TempDir directory;
    ASSERT_TRUE(replace_file(directory / "args", as_bytes("# comment\nA=1\r\n\nB=2\n")));
    const auto options =
        read_options({.build_arguments = {"B=3"}, .build_argument_files = {directory / "args"}});
    ASSERT_TRUE(options) << options.error().message;
    const std::map<std::string, std::string> wanted = {{"A", "1"}, {"B", "3"}};
    EXPECT_EQ(options->plan.build_arguments, wanted);
}

TEST(BuildOptions, splits_platforms_and_makes_an_index_of_several) {
    const auto options = read_options({.platforms = {"linux/amd64,linux/arm64", "linux/amd64"}});
    ASSERT_TRUE(options) << options.error().message;
    EXPECT_EQ(options->platforms.size(), 2U);
    EXPECT_TRUE(options->exporting.index);
    EXPECT_TRUE(options->plan.platform_requested);
    const auto none = read_options({});
    ASSERT_TRUE(none);
    EXPECT_EQ(none->platforms, std::vector{codec::host_platform()});
    EXPECT_FALSE(none->plan.platform_requested);
    EXPECT_NE(error_of({.platforms = {"linux/"}}).find("--platform"), std::string::npos);
}

TEST(BuildOptions, makes_an_image_unless_told_otherwise) {
    const auto options = read_options({.tags = {"app:1"}});
    ASSERT_TRUE(options);
    ASSERT_EQ(options->outputs.size(), 1U);
    EXPECT_EQ(options->outputs[0].type, exporter::Output::Type::image);
    EXPECT_EQ(options->outputs[0].names, std::vector<std::string>{"app:1"});
}

TEST(BuildOptions, pushes_images_of_an_output_or_makes_one_that_does) {
    const auto alone = read_options({.tags = {"r:5/a"}, .push = true});
    ASSERT_TRUE(alone);
    EXPECT_EQ(alone->outputs[0].type, exporter::Output::Type::registry);
    const auto image =
        read_options({.tags = {"r:5/a"}, .outputs = {"type=image,store=false"}, .push = true});
    ASSERT_TRUE(image);
    EXPECT_TRUE(image->outputs[0].push);
    EXPECT_EQ(error_of({.push = true}), "--push: under which name? -t HOST/NAME:TAG says it");
    EXPECT_NE(error_of({.tags = {"a"}, .outputs = {"/tmp/x"}, .push = true}), "");
}

TEST(BuildOptions, gives_the_compression_to_outputs_that_say_none) {
    const auto options = read_options(
        {.tags = {"a"},
         .outputs = {"type=image", "type=oci,dest=x,compression=gzip", "type=local,dest=d"},
         .compression = "zstd",
         .compression_level = "5"});
    ASSERT_TRUE(options) << options.error().message;
    EXPECT_EQ(options->outputs[0].compression, layers::Compression::zstd);
    EXPECT_EQ(options->outputs[0].compression_level, 5);
    EXPECT_EQ(options->outputs[1].compression, layers::Compression::gzip);
}

TEST(BuildOptions, takes_the_time_from_flags_before_the_environment) {
    ::setenv("SOURCE_DATE_EPOCH", "100", 1);
    EXPECT_EQ(read_options({})->exporting.source_date_epoch_s, 100);
    EXPECT_EQ(read_options({.source_date_epoch = "7"})->exporting.source_date_epoch_s, 7);
    const auto stamped = read_options({.timestamp = 9});
    EXPECT_EQ(stamped->exporting.source_date_epoch_s, 9);
    EXPECT_TRUE(stamped->outputs[0].rewrite_timestamps);
    ::setenv("SOURCE_DATE_EPOCH", "now", 1);
    EXPECT_NE(error_of({}), "");
    ::unsetenv("SOURCE_DATE_EPOCH");
}

TEST(BuildOptions, finds_where_secrets_are) {
    ::setenv("LAZYBUILD_TEST_SECRET", "s", 1);
    const auto options =
        read_options({.secrets = {"id=a,src=/a", "id=b,env=B", "id=LAZYBUILD_TEST_SECRET",
                                  "id=c,type=env,src=C", "id=d"}});
    ASSERT_TRUE(options) << options.error().message;
    using Kind = exec::Secret::Kind;
    const auto& secrets = options->runner.secrets;
    EXPECT_EQ(secrets.at("a").kind, Kind::file);
    EXPECT_EQ(secrets.at("a").place, "/a");
    EXPECT_EQ(secrets.at("b").kind, Kind::variable);
    EXPECT_EQ(secrets.at("LAZYBUILD_TEST_SECRET").kind, Kind::variable);
    EXPECT_EQ(secrets.at("c").place, "C");
    EXPECT_EQ(secrets.at("d").kind, Kind::file);
    EXPECT_EQ(error_of({.secrets = {"src=x"}}), "--secret src=x: which one? id=NAME says it");
}

TEST(BuildOptions, tells_keys_from_the_socket_of_an_agent) {
    const test::TempDir directory;
    directory.write("a", "key");
    directory.write("b", "key");
    const std::string keys = (directory / "a") + "," + (directory / "b");
    const auto options = read_options({.ssh = {"default=" + keys}});
    ASSERT_TRUE(options) << options.error().message;
    EXPECT_EQ(options->runner.ssh_keys.at("default"),
              (std::vector<std::string>{directory / "a", directory / "b"}));
    EXPECT_TRUE(options->runner.ssh_agents.empty());
    EXPECT_NE(error_of({.ssh = {"default=" + directory.path()}}).find("--ssh"), std::string::npos);
}

TEST(BuildOptions, reads_hosts_of_both_kinds_of_address) {
    const auto options = read_options({.extra_hosts = {"a:10.0.0.1", "b:[::1]", "c=fe80::2",
                                                       "host.docker.internal:host-gateway"}});
    ASSERT_TRUE(options) << options.error().message;
    const std::vector<std::pair<std::string, std::string>> wanted = {
        {"a", "10.0.0.1"}, {"b", "::1"}, {"c", "fe80::2"}, {"host.docker.internal", "127.0.0.1"}};
    EXPECT_EQ(options->runner.extra_hosts, wanted);
    EXPECT_NE(error_of({.extra_hosts = {"a:gateway"}}), "");
}

TEST(BuildOptions, refuses_two_things_under_one_name) {
    const std::string own = "type=registry,ref=host.example/app:1";
    EXPECT_NE(error_of({.tags = {"host.example/app:1"}, .cache_to = {own}, .push = true})
                  .find("host.example/app:1 is the name of the image"),
              std::string::npos);
    EXPECT_EQ(error_of({.tags = {"host.example/app:1"}, .cache_to = {own}}), "");
    EXPECT_EQ(error_of({.tags = {"host.example/app"}, .cache_to = {own}, .push = true}), "");
    EXPECT_NE(error_of({.cache_to = {own, own + ",mode=max"}}).find("named twice"),
              std::string::npos);
    const std::string local = "type=local,dest=cache";
    EXPECT_NE(error_of({.cache_to = {local, local}}).find("named twice"), std::string::npos);
    EXPECT_EQ(error_of({.cache_to = {local, local + ",tag=other"}}), "");
}

TEST(BuildOptions, names_the_flag_that_is_wrong) {
    EXPECT_NE(error_of({.ssh = {"default=/nowhere"}}).find("--ssh"), std::string::npos);
    EXPECT_NE(error_of({.allowed = {"everything"}}).find("--allow"), std::string::npos);
    EXPECT_NE(error_of({.ulimits = {"nofile"}}).find("--ulimit"), std::string::npos);
    EXPECT_NE(error_of({.call = "nothing"}).find("--call"), std::string::npos);
    EXPECT_NE(error_of({.pull = "maybe"}).find("--pull"), std::string::npos);
    EXPECT_NE(error_of({.contexts = {"x"}}).find("--build-context"), std::string::npos);
}

TEST(ParseSize, knows_its_units) {
    EXPECT_EQ(parse_size("4096"), 4096U);
    EXPECT_EQ(parse_size("64m"), 64U << 20U);
    EXPECT_EQ(parse_size("1GB"), 1U << 30U);
    EXPECT_FALSE(parse_size("1x"));
    EXPECT_FALSE(parse_size("m"));
    EXPECT_FALSE(parse_size("99999999999t"));
}

}  // namespace
}  // namespace lazybuild::cli
