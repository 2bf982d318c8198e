// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/credentials.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "snapshotter/registry/credential_helper.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::registry {
namespace {

using std::chrono::milliseconds;

// "alice:secret" and "bob:secret".
constexpr std::string_view kAlice = "YWxpY2U6c2VjcmV0";
constexpr std::string_view kBob = "Ym9iOnNlY3JldA==";

std::string auths(std::string_view key, std::string_view auth) {
    return "{\"auths\":{\"" + std::string(key) + "\":{\"auth\":\"" + std::string(auth) + "\"}}}";
}

std::string user_in(const std::string& config_text, const Repository& repository) {
    const auto config = parse_docker_config(config_text);
    EXPECT_TRUE(config);
    const ConfigMatch match = match_config(*config, repository);
    return match.credential ? match.credential->user_name : "";
}

TEST(ConfigMatch, finds_docker_hub_by_all_its_names) {
    const Repository hub{"docker.io", "library/python"};
    for (const std::string_view key : {"https://index.docker.io/v1/", "index.docker.io/v1/",
                                       "index.docker.io", "docker.io", "https://docker.io"}) {
        EXPECT_EQ(user_in(auths(key, kAlice), hub), "alice") << key;
    }
}

TEST(ConfigMatch, finds_hosts_with_scheme_and_path) {
    const Repository repository{"r.example:5000", "a/b"};
    for (const std::string_view key :
         {"r.example:5000", "http://r.example:5000", "https://r.example:5000/v2/",
          "r.example:5000/a", "r.example:5000/a/b"}) {
        EXPECT_EQ(user_in(auths(key, kAlice), repository), "alice") << key;
    }
    for (const std::string_view key :
         {"r.example", "r.example:5001", "r.example:5000/a/b/c", "r.example:5000/x", "a/b"}) {
        EXPECT_EQ(user_in(auths(key, kAlice), repository), "") << key;
    }
}

TEST(ConfigMatch, prefers_the_most_specific_key) {
    const std::string config = "{\"auths\":{\"r.example\":{\"auth\":\"" + std::string(kAlice) +
                               "\"},\"r.example/team\":{\"auth\":\"" + std::string(kBob) + "\"}}}";
    EXPECT_EQ(user_in(config, {"r.example", "team/app"}), "bob");
    EXPECT_EQ(user_in(config, {"r.example", "teams/app"}), "alice");
}

TEST(ConfigMatch, chooses_the_helper) {
    const auto config =
        parse_docker_config(R"({"credHelpers":{"gcr.io":"gcloud"},"credsStore":"desktop"})");
    ASSERT_TRUE(config);
    EXPECT_EQ(match_config(*config, {"gcr.io", "a"}).helper, "gcloud");
    EXPECT_EQ(match_config(*config, {"quay.io", "a"}).helper, "desktop");
}

TEST(CredentialSources, follow_option_then_variables) {
    const AuthEnvironment all{.registry_auth_file = "/reg.json",
                              .xdg_runtime_dir = "/run/user/0",
                              .docker_config = "/dc",
                              .home = "/home/u"};
    EXPECT_EQ(credential_sources("/opt.json", all).files, (std::vector<std::string>{"/opt.json"}));
    EXPECT_TRUE(credential_sources("/opt.json", all).files_required);
    EXPECT_EQ(credential_sources("", all).files, (std::vector<std::string>{"/reg.json"}));
    AuthEnvironment some = all;
    some.registry_auth_file.clear();
    EXPECT_EQ(credential_sources("", some).files,
              (std::vector<std::string>{"/run/user/0/containers/auth.json", "/dc/config.json"}));
    some.docker_config.clear();
    EXPECT_EQ(credential_sources("", some).files.back(), "/home/u/.docker/config.json");
    EXPECT_TRUE(credential_sources("", {}).files.empty());
}

class CredentialFiles : public testing::Test {
  protected:
    // A program docker-credential-NAME that runs `script`, first in PATH while the test runs.
    void install_helper(const std::string& name, const std::string& script) {
        const std::string file = "docker-credential-" + name;
        directory_.write(file, "#!/bin/sh\n" + script);
        std::filesystem::permissions(directory_ / file, std::filesystem::perms::owner_all);
        ::setenv("PATH", (directory_.path() + ":" + old_path_).c_str(), 1);
    }
    void TearDown() override { ::setenv("PATH", old_path_.c_str(), 1); }

    CredentialSources source(const std::string& text) {
        directory_.write("config.json", text);
        return {.files = {directory_ / "config.json"}, .files_required = true};
    }

    const test::TempDir directory_;
    const std::string old_path_ = std::getenv("PATH");
    const Repository repository_{"r.example", "a"};
};

TEST_F(CredentialFiles, are_read_at_each_look_up) {
    const CredentialSources sources = source(auths("r.example", kAlice));
    EXPECT_EQ(find_credential(sources, repository_).value()->user_name, "alice");
    directory_.write("config.json", auths("r.example", kBob));
    EXPECT_EQ(find_credential(sources, repository_).value()->user_name, "bob");
}

TEST_F(CredentialFiles, may_be_missing_unless_named) {
    CredentialSources sources{.files = {directory_ / "absent/config.json"}};
    EXPECT_EQ(find_credential(sources, repository_).value(), std::nullopt);
    sources.files_required = true;
    const auto named = find_credential(sources, repository_);
    ASSERT_FALSE(named);
    EXPECT_NE(named.error().message.find("absent/config.json"), std::string::npos);
}

TEST_F(CredentialFiles, are_looked_at_in_order) {
    directory_.write("first", auths("other.example", kBob));
    directory_.write("second", auths("r.example", kAlice));
    const CredentialSources sources{.files = {directory_ / "first", directory_ / "second"}};
    EXPECT_EQ(find_credential(sources, repository_).value()->user_name, "alice");
}

TEST_F(CredentialFiles, that_are_broken_are_named_but_not_quoted) {
    const auto found = find_credential(source("{\"secret"), repository_);
    ASSERT_FALSE(found);
    EXPECT_NE(found.error().message.find("config.json"), std::string::npos);
    EXPECT_EQ(found.error().message.find("secret"), std::string::npos);
}

TEST_F(CredentialFiles, name_helpers_that_are_asked) {
    install_helper("ours",
                   "read server; [ \"$1\" = get ] && "
                   "echo '{\"Username\":\"helped\",\"Secret\":\"for-'$server'\"}'\n");
    const auto found =
        find_credential(source(R"({"credHelpers":{"r.example":"ours"}})"), repository_);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ((*found)->user_name, "helped");
    EXPECT_EQ((*found)->password, "for-r.example");
    EXPECT_EQ(helper_server_name("docker.io"), "https://index.docker.io/v1/");
}

TEST_F(CredentialFiles, serve_when_the_helper_knows_nothing) {
    install_helper("empty", "echo 'credentials not found in native keychain'; exit 1\n");
    std::string config = auths("r.example", kAlice);
    config.insert(1, R"("credsStore":"empty",)");
    EXPECT_EQ(find_credential(source(config), repository_).value()->user_name, "alice");
    EXPECT_EQ(find_credential(source(R"({"credsStore":"empty"})"), repository_).value(),
              std::nullopt);
}

TEST_F(CredentialFiles, tell_why_a_helper_failed) {
    install_helper("angry", "echo 'the keychain is locked'; exit 3\n");
    const auto found = find_credential(source(R"({"credsStore":"angry"})"), repository_);
    ASSERT_FALSE(found);
    EXPECT_NE(found.error().message.find("docker-credential-angry"), std::string::npos);
    EXPECT_NE(found.error().message.find("the keychain is locked"), std::string::npos);
}

TEST_F(CredentialFiles, tell_of_a_missing_helper) {
    const auto found = find_credential(source(R"({"credsStore":"absent-here"})"), repository_);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, std::errc::no_such_file_or_directory);
}

TEST_F(CredentialFiles, cannot_name_any_other_program) {
    for (const std::string name : {"", "../x", "a/b", "a b", ".hidden", "a;b", "a\n"}) {
        const auto found = ask_credential_helper(name, "r.example", milliseconds(1000));
        ASSERT_FALSE(found) << name;
        EXPECT_EQ(found.error().code, std::errc::invalid_argument) << name;
    }
}

TEST_F(CredentialFiles, wait_for_a_helper_only_so_long) {
    // The child of the helper keeps its stdout open as well.
    install_helper("slow", "sleep 1000 & sleep 1000\n");
    const auto found = ask_credential_helper("slow", "r.example", milliseconds(100));
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, std::errc::timed_out);
}

TEST_F(CredentialFiles, do_not_wait_for_children_of_a_helper) {
    install_helper("forks", "sleep 5 & echo '{\"Username\":\"u\",\"Secret\":\"s\"}'\n");
    const auto found = ask_credential_helper("forks", "r.example", milliseconds(60'000));
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ((*found)->user_name, "u");
}

TEST_F(CredentialFiles, limit_what_a_helper_prints) {
    install_helper("chatty", "yes\n");
    const auto found = ask_credential_helper("chatty", "r.example", milliseconds(60'000));
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, std::errc::argument_out_of_domain);
}

TEST_F(CredentialFiles, never_show_what_a_helper_printed) {
    install_helper("odd", "echo '{\"Username\":\"u\",\"Secrets\":\"hunter2\"}'\n");
    const auto found = ask_credential_helper("odd", "r.example", milliseconds(60'000));
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().message.find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace lazybuild::registry
