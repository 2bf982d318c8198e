// SPDX-License-Identifier: Apache-2.0
#include "builder/files/git.h"

#include <gtest/gtest.h>

#include "builder/files/context.h"
#include "tests/support/fake_server.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::files {
namespace {

/// A repository with a branch, two tags, a subdirectory and a submodule; read as file://. Made
/// once.
class GitTest : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        original_ = std::make_unique<test::TempDir>();
        original_->run(
            "mkdir sub repo && export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 && "
            "printf '[user]\nname = t\nemail = t@t\n[init]\ndefaultBranch = main\n"
            "[protocol \"file\"]\nallow = always\n' >.gitconfig && "
            "(cd sub && git init -q && echo s >s.txt && git add . && git commit -qm s) && "
            "cd repo && git init -q && mkdir dir && echo one >dir/f && echo '#!' >run && "
            "chmod 755 run && ln -s /etc out && git add . && git commit -qm one && "
            "git tag -am note v1 && git branch side && echo two >dir/f && git commit -qam two && "
            "git submodule -q add file://$HOME/sub sub && git commit -qm three");
    }
    static void TearDownTestSuite() { original_.reset(); }

    GitTest() { directory_.run("mkdir cache && cp -a " + original_->path() + "/repo ."); }

    Result<GitCheckout> fetch(graph::GitStep step) {
        if (step.remote.empty()) {
            step.remote = "file://" + directory_.path() + "/repo";
        }
        return check_out(step, {.cache_directory = directory_ / "cache", .protocols = "file"});
    }
    std::string commit(const std::string& name) const {
        directory_.run("git -C repo rev-parse '" + name + "^{commit}' >commit");
        std::string text = directory_.read("commit");
        text.pop_back();
        return text;
    }

    static inline std::unique_ptr<test::TempDir> original_;
    const test::TempDir directory_;
};

TEST_F(GitTest, checks_out_what_a_name_stands_for) {
    const auto head = fetch({});
    ASSERT_TRUE(head) << head.error().message;
    EXPECT_EQ(head->commit, commit("main"));
    EXPECT_GT(head->committed_at_s, 1'000'000'000);
    const std::string base = head->directory.substr(directory_.path().size() + 1);
    EXPECT_EQ(directory_.read(base + "/dir/f"), "two\n");
    EXPECT_EQ(directory_.read(base + "/sub/s.txt"), "s\n");
    EXPECT_FALSE(std::filesystem::exists(head->directory + "/.git"));
    for (const std::string name : {"side", "v1", "refs/heads/side", "refs/tags/v1", "tags/v1"}) {
        const auto named = fetch({.remote = {}, .reference = name});
        ASSERT_TRUE(named) << name << ": " << named.error().message;
        EXPECT_EQ(named->commit, commit("side")) << name;
    }
    const auto by_digest = fetch({.remote = {}, .reference = commit("side")});
    ASSERT_TRUE(by_digest) << by_digest.error().message;
    EXPECT_EQ(by_digest->commit, commit("side"));
}

TEST_F(GitTest, uses_a_commit_again_without_asking) {
    const std::string side = commit("side");
    ASSERT_TRUE(fetch({.remote = {}, .reference = side}));
    directory_.run("mv repo moved");
    EXPECT_TRUE(fetch({.remote = {}, .reference = side}));
    directory_.run("mv moved repo");
}

TEST_F(GitTest, shows_a_remote_of_ssh_the_agent_that_it_was_given) {
    // An "ssh" that runs the command here, and says which agent it would have asked.
    directory_.run(
        "mkdir bin && printf '#!/bin/sh\\nfor c; do :; done\\necho $SSH_AUTH_SOCK >%s/agent\\n"
        "exec sh -c \"$c\"\\n' $PWD >bin/ssh && chmod 755 bin/ssh");
    const std::string path = std::getenv("PATH");
    ::setenv("PATH", (directory_ / "bin:" + path).c_str(), 1);
    ::setenv("SSH_AUTH_SOCK", "/environment", 1);
    const graph::GitStep step{.remote = "ssh://git@host" + directory_.path() + "/repo",
                              .submodules = false};
    GitOptions options{.cache_directory = directory_ / "cache"};
    const auto by_environment = check_out(step, options);
    EXPECT_TRUE(by_environment) << by_environment.error().message;
    EXPECT_EQ(directory_.read("agent"), "/environment\n");
    options.ssh_agent = "/given";
    EXPECT_TRUE(check_out(step, options));
    EXPECT_EQ(directory_.read("agent"), "/given\n");
    ::setenv("PATH", path.c_str(), 1);
    ::unsetenv("SSH_AUTH_SOCK");
}

TEST_F(GitTest, keeps_the_git_directory_when_asked_to) {
    const auto kept = fetch({.remote = {}, .keep_git_directory = true, .submodules = false});
    ASSERT_TRUE(kept) << kept.error().message;
    EXPECT_TRUE(std::filesystem::exists(kept->directory + "/.git/HEAD"));
    EXPECT_FALSE(std::filesystem::exists(kept->directory + "/sub/s.txt"));
}

TEST_F(GitTest, directories_are_inside_the_repository) {
    const auto inside = fetch({.remote = {}, .directory = "dir"});
    ASSERT_TRUE(inside) << inside.error().message;
    EXPECT_TRUE(std::filesystem::exists(inside->directory + "/f"));
    for (const std::string name : {"out", "out/ssl", "gone", "run"}) {
        EXPECT_FALSE(fetch({.remote = {}, .directory = name})) << name;
    }
    const auto above = fetch({.remote = {}, .directory = "../../dir"});
    ASSERT_TRUE(above);
    EXPECT_EQ(above->directory, inside->directory);
}

TEST_F(GitTest, takes_only_the_commit_that_was_meant) {
    const std::string head = commit("main");
    EXPECT_TRUE(fetch({.remote = {}, .checksum = head.substr(0, 10)}));
    const auto other = fetch({.remote = {}, .checksum = "0123456789"});
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().message, "expected checksum to match 0123456789, got " + head);
    const auto gone = fetch({.remote = {}, .reference = "gone"});
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().message, "repository does not contain ref gone");
}

TEST_F(GitTest, options_and_programs_in_names_are_refused) {
    const std::string canary = directory_ / "canary";
    const std::vector<std::string> remotes{"--upload-pack=touch " + canary,
                                           "ext::sh -c touch% " + canary,
                                           "file://" + directory_.path() + "/repo\n",
                                           "ssh://-oProxyCommand=x/y",
                                           "git@-oProxyCommand=x:y",
                                           directory_.path() + "/repo"};
    for (const std::string& remote : remotes) {
        EXPECT_FALSE(fetch({.remote = remote})) << remote;
    }
    const std::vector<std::string> references{
        "--upload-pack=touch " + canary, "-x", "a b", "a..b", "x:y", "@{-1}", "a\nb"};
    for (const std::string& reference : references) {
        const auto refused = fetch({.remote = {}, .reference = reference});
        ASSERT_FALSE(refused) << reference;
        EXPECT_EQ(refused.error().code, std::errc::invalid_argument) << reference;
    }
    EXPECT_FALSE(std::filesystem::exists(canary));
    graph::GitStep step{.remote = "file://" + directory_.path() + "/repo"};
    EXPECT_FALSE(check_out(step, {.cache_directory = directory_ / "cache"}))
        << "only transports that fetch";
}

TEST_F(GitTest, submodules_may_not_use_other_transports) {
    const std::string canary = directory_ / "canary";
    directory_.run("export HOME=" + original_->path() +
                   " && cd repo && git config -f .gitmodules submodule.sub.url "
                   "'ext::touch " +
                   canary + "' && git commit -qam evil");
    EXPECT_FALSE(fetch({}));
    EXPECT_FALSE(std::filesystem::exists(canary));
    EXPECT_TRUE(std::filesystem::is_empty(directory_ / "cache")) << "nothing half made stays";
}

/// Gives files of a directory to those who show what is `wanted`, and tells others what they sent.
test::FakeServer::Handler file_server(const test::TempDir& directory, const std::string& wanted) {
    return [&directory, wanted](const test::FakeRequest& request) {
        const std::string sent = request.field("authorization");
        if (!wanted.empty() && sent != wanted) {
            return test::reply(403, "you sent " + sent, "Content-Type: text/plain\r\n");
        }
        const std::string path = request.target.substr(0, request.target.find('?'));
        return std::filesystem::is_regular_file(directory.path() + path)
                   ? test::reply(200, directory.read(path.substr(1)))
                   : test::reply(404);
    };
}

SecretReader one_secret(const std::string& id, const std::string& value) {
    return [id, value](const std::string& asked) -> Result<std::optional<std::string>> {
        return asked == id ? std::optional{value} : std::nullopt;
    };
}

TEST_F(GitTest, shows_a_secret_to_the_repositorys_host_and_not_to_submodules_elsewhere) {
    const std::string basic = "basic eC1hY2Nlc3MtdG9rZW46dDBrZW4=";  // x-access-token:t0ken
    const test::FakeServer other{file_server(*original_, "")};
    const test::FakeServer server{file_server(directory_, basic)};
    directory_.run("export HOME=" + original_->path() + " && cd repo && " +
                   "git config -f .gitmodules submodule.sub.url " + other.url() +
                   "/sub/.git && git commit -qam other && git update-server-info && "
                   "git -C $HOME/sub update-server-info");
    const auto fetch_with = [&](const SecretReader& secrets) -> Result<GitCheckout> {
        const graph::GitStep step{.remote = server.url() + "/repo/.git"};
        TRY(Credential credential, git_credential(secrets, step.remote));
        return check_out(step, {.cache_directory = directory_ / "cache",
                                .protocols = "http",
                                .credential = std::move(credential)});
    };
    EXPECT_FALSE(fetch_with({}));
    EXPECT_FALSE(fetch_with(one_secret("GIT_AUTH_TOKEN_elsewhere.example", "t0ken")));
    const auto refused = fetch_with(one_secret("GIT_AUTH_HEADER", "Basic s3cret"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(server.requests().back().field("authorization"), "Basic s3cret");
    EXPECT_EQ(refused.error().message.find("s3cret"), std::string::npos) << refused.error().message;
    const auto fetched = fetch_with(one_secret("GIT_AUTH_TOKEN." + server.host(), "t0ken\n"));
    ASSERT_TRUE(fetched) << fetched.error().message;
    EXPECT_TRUE(std::filesystem::exists(fetched->directory + "/sub/s.txt"));
    EXPECT_FALSE(other.requests().empty());
    for (const test::FakeRequest& request : other.requests()) {
        EXPECT_EQ(request.field("authorization"), "");
    }
}

TEST_F(GitTest, takes_no_secret_along_when_it_is_sent_elsewhere) {
    const test::FakeServer other{file_server(directory_, "")};
    const test::FakeServer server{[&](const test::FakeRequest& request) {
        return test::reply(302, "", "Location: " + other.url() + request.target + "\r\n");
    }};
    const graph::GitStep step{.remote = server.url() + "/repo/.git"};
    const auto credential = git_credential(one_secret("GIT_AUTH_TOKEN", "t0ken"), step.remote);
    ASSERT_TRUE(credential);
    EXPECT_FALSE(check_out(
        step,
        {.cache_directory = directory_ / "cache", .protocols = "http", .credential = *credential}));
    EXPECT_FALSE(server.requests().empty());
    EXPECT_TRUE(other.requests().empty());
}

}  // namespace
}  // namespace lazybuild::files
