// SPDX-License-Identifier: Apache-2.0
#include "builder/files/git.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/file.h"
#include "builder/files/child_process.h"
#include "builder/files/context.h"
#include "builder/files/fetched.h"
#include "codec/lexical_path.h"
#include "codec/sha256.h"

namespace lazybuild::files {
namespace {

constexpr std::size_t kRemoteBytesMax = 4096;
constexpr std::size_t kReferenceBytesMax = 512;
constexpr std::size_t kCommitDigits = 40;
constexpr std::size_t kMessageBytesMax = 1000;

bool is_hex(std::string_view text) {
    return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}
bool is_commit(std::string_view text) {
    return text.size() == kCommitDigits && is_hex(text);
}

bool has_control(std::string_view text) {
    return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

// git-check-ref-format(1), as far as it keeps a name from being something else.
bool is_reference(std::string_view text) {
    return !text.empty() && text.size() <= kReferenceBytesMax && !has_control(text) &&
           text.find_first_of(" ~^:?*[\\") == std::string_view::npos && text.front() != '-' &&
           text.front() != '/' && text.back() != '/' && text.back() != '.' &&
           text.find("..") == std::string_view::npos && text.find("//") == std::string_view::npos &&
           text.find("@{") == std::string_view::npos && text.find("/-") == std::string_view::npos;
}

// What stands in front of "://", or "ssh" for user@host:path.
std::optional<std::string_view> protocol_of(std::string_view remote) {
    const std::size_t scheme = remote.find("://");
    if (scheme != std::string_view::npos) {
        return remote.substr(0, scheme);
    }
    const std::size_t colon = remote.find(':');
    const std::size_t at = remote.find('@');
    const bool scp_like = colon != std::string_view::npos && at != std::string_view::npos &&
                          at != 0 && at < colon && remote.find('/') > at && remote[at + 1] != '-' &&
                          remote.substr(0, at).find('-') != 0;
    return scp_like ? std::optional<std::string_view>{"ssh"} : std::nullopt;
}

Result<void> check(const graph::GitStep& step, const std::string& protocols) {
    const auto protocol = protocol_of(step.remote);
    const std::string list = ":" + protocols + ":";
    if (step.remote.empty() || step.remote.size() > kRemoteBytesMax || has_control(step.remote) ||
        step.remote.front() == '-' || step.remote.find("://-") != std::string::npos ||
        step.remote.find("::") < step.remote.find("://") || !protocol ||
        list.find(fmt::format(":{}:", *protocol)) == std::string::npos) {
        return fail(invalid(fmt::format(
            "\"{}\" is no remote repository: it has to be one of https, http, ssh and git",
            has_control(step.remote) ? "…" : step.remote)));
    }
    if (!step.reference.empty() && !is_reference(step.reference)) {
        return fail(invalid(fmt::format("\"{}\" is no branch, tag or commit",
                                        has_control(step.reference) ? "…" : step.reference)));
    }
    if (step.checksum.size() > kCommitDigits || !is_hex(step.checksum)) {
        return fail(invalid("\"" + step.checksum + "\" is no beginning of a commit's digest"));
    }
    return {};
}

/// git with what it is always told.
class Git {
  public:
    Git(const graph::GitStep& step, const GitOptions& options) : step_(step), options_(options) {}

    /// Errors: io_error with what git printed.
    Result<std::string> run(const std::string& directory,
                            const std::vector<std::string>& arguments) const;

  private:
    std::vector<std::string> environment() const;
    std::string without_password(std::string text) const;

    const graph::GitStep& step_;
    const GitOptions& options_;
};

std::vector<std::string> Git::environment() const {
    std::vector<std::string> environment{
        "GIT_TERMINAL_PROMPT=0",
        "GIT_CONFIG_NOSYSTEM=1",
        "GIT_CONFIG_GLOBAL=/dev/null",
        "GIT_ASKPASS=/bin/true",
        "GIT_LFS_SKIP_SMUDGE=1",
        "LC_ALL=C.UTF-8",
        "GIT_SSH_COMMAND=ssh -oBatchMode=yes -oServerAliveInterval=15 -oConnectTimeout=30",
        "GIT_ALLOW_PROTOCOL=" + options_.protocols};
    for (const char* const name :
         {"PATH", "HOME", "SSH_AUTH_SOCK", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy",
          "https_proxy", "no_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"}) {
        const bool said = std::string_view{name} == "SSH_AUTH_SOCK" && !options_.ssh_agent.empty();
        if (const char* const value = std::getenv(name); value != nullptr && !said) {
            environment.push_back(fmt::format("{}={}", name, value));
        }
    }
    if (!options_.ssh_agent.empty()) {
        environment.push_back("SSH_AUTH_SOCK=" + options_.ssh_agent);
    }
    if (const Credential& credential = options_.credential; !credential.authorization.empty()) {
        // Not as arguments, which all users of the host can see.
        environment.insert(
            environment.end(),
            {"GIT_CONFIG_COUNT=2",
             fmt::format("GIT_CONFIG_KEY_0=http.{}/.extraHeader", credential.origin.text()),
             "GIT_CONFIG_VALUE_0=Authorization: " + credential.authorization,
             "GIT_CONFIG_KEY_1=http.followRedirects", "GIT_CONFIG_VALUE_1=false"});
    }
    return environment;
}

// "https://user:token@host/…" does not belong into a message.
std::string Git::without_password(std::string text) const {
    const std::size_t scheme = step_.remote.find("://");
    const std::size_t host = scheme == std::string::npos ? scheme : scheme + 3;
    const std::size_t at = host == std::string::npos
                               ? host
                               : step_.remote.substr(0, step_.remote.find('/', host)).rfind('@');
    if (at == std::string::npos || at < host) {
        return text;
    }
    const std::string secret = step_.remote.substr(host, at - host + 1);
    for (std::size_t found = text.find(secret); found != std::string::npos;
         found = text.find(secret)) {
        text.erase(found, secret.size());
    }
    return text;
}

Result<std::string> Git::run(const std::string& directory,
                             const std::vector<std::string>& arguments) const {
    ChildProcess child{.arguments = {"git",
                                     "-c",
                                     "core.hooksPath=/dev/null",
                                     "-c",
                                     "core.fsmonitor=false",
                                     "-c",
                                     "core.autocrlf=false",
                                     "-c",
                                     "core.quotePath=false",
                                     "-c",
                                     "gc.auto=0",
                                     "-c",
                                     "maintenance.auto=false",
                                     "-c",
                                     "advice.detachedHead=false",
                                     "-c",
                                     "submodule.recurse=false",
                                     "-c",
                                     "http.lowSpeedLimit=1000",
                                     "-c",
                                     "http.lowSpeedTime=60"},
                       .environment = environment(),
                       .directory = directory,
                       .cancel = options_.cancel};
    child.arguments.insert(child.arguments.end(), arguments.begin(), arguments.end());
    auto result = run_child(child);
    if (!result) {
        Error error = std::move(result).error();
        if (error.code == std::errc::no_such_file_or_directory) {
            error.message = "git is not installed, and is what repositories are fetched with";
        }
        return fail(std::move(error));
    }
    if (result->exit_code != 0) {
        std::string said = without_secrets(std::move(result->errors), options_.credential)
                               .substr(0, kMessageBytesMax);
        while (said.ends_with('\n')) {
            said.pop_back();
        }
        return fail(Error{
            std::errc::io_error,
            without_password(fmt::format("git {} {}: {}", arguments.front(), step_.remote, said))});
    }
    return std::move(result->output);
}

struct Resolved {
    std::string commit;
    std::string name;  ///< that the remote knows it by; "" when the commit itself was given
};

// As git checkout chooses among several: a branch first, then a tag (what an annotated one points
// to), then a name below refs/.
Result<Resolved> ask_remote(const Git& git, const graph::GitStep& step) {
    if (is_commit(step.reference)) {
        return Resolved{.commit = step.reference, .name = {}};
    }
    const std::string wanted = step.reference.empty() ? "HEAD" : step.reference;
    TRY(const std::string listed,
        git.run("", {"ls-remote", "--", step.remote, wanted, wanted + "^{}"}));
    std::map<std::string, std::string, std::less<>> commits;  // by name
    for (std::string_view rest = listed; !rest.empty();) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        const std::size_t tab = line.find('\t');
        if (tab != std::string_view::npos && is_commit(line.substr(0, tab))) {
            commits.emplace(line.substr(tab + 1), line.substr(0, tab));
        }
    }
    for (const std::string& name : {std::string{"HEAD"}, wanted, "refs/heads/" + wanted,
                                    "refs/tags/" + wanted, "refs/" + wanted}) {
        const auto found = commits.find(name);
        if (found == commits.end() || (name == "HEAD" && wanted != "HEAD")) {
            continue;
        }
        const auto peeled = commits.find(name + "^{}");
        return Resolved{.commit = peeled == commits.end() ? found->second : peeled->second,
                        .name = name};
    }
    return fail(Error{std::errc::no_such_file_or_directory,
                      fmt::format("repository does not contain ref {}", wanted)});
}

// One commit, without its history; where a server gives no single commits, all that it has.
Result<void> fetch(const Git& git, const graph::GitStep& step, const Resolved& wanted,
                   const std::string& directory) {
    CHECK_OK(git.run("", {"init", "--quiet", "--template=", "--", directory}));
    CHECK_OK(git.run(directory, {"remote", "add", "--", "origin", step.remote}));
    const auto fetched =
        git.run(directory, {"fetch", "--quiet", "--depth=1", "--no-tags", "--", "origin",
                            wanted.name.empty() ? wanted.commit : wanted.name});
    // A plain web server has no commits to choose from either.
    const bool shallow =
        fetched || fetched.error().message.find("shallow capabilities") == std::string::npos;
    if (!fetched) {
        const bool named = shallow && !wanted.name.empty();
        if (named || fetched.error().code != std::errc::io_error) {
            return fail(fetched.error());
        }
        CHECK_OK(git.run(directory, {"fetch", "--quiet", "--tags", "--", "origin",
                                     "+refs/heads/*:refs/remotes/origin/*"}));
    }
    auto checked_out = git.run(directory, {"checkout", "--quiet", "--detach", wanted.commit, "--"});
    if (!checked_out) {
        return fail(std::move(checked_out)
                        .error()
                        .context("the branch or tag has moved meanwhile; build again"));
    }
    if (step.submodules) {
        std::vector<std::string> update{"submodule", "--quiet",     "update",
                                        "--init",    "--recursive", "--checkout"};
        if (shallow) {
            update.emplace_back("--depth=1");
        }
        CHECK_OK(git.run(directory, update));
    }
    return {};
}

std::string cache_name(const graph::GitStep& step, const std::string& commit) {
    const std::string key = fmt::format("git 1\n{}\n{}\n{}{}", step.remote, commit,
                                        step.submodules ? "submodules\n" : "",
                                        step.keep_git_directory ? "git directory\n" : "");
    return codec::sha256(as_bytes(key)).hex();
}

// Under another name until it is complete; who is second uses what is there.
Result<void> fill_cache(const Git& git, const graph::GitStep& step, const Resolved& wanted,
                        const std::string& place) {
    std::string scratch = place + ".XXXXXX";
    if (::mkdtemp(scratch.data()) == nullptr) {
        return fail(errno_error(scratch));
    }
    auto filled = [&]() -> Result<void> {
        const std::string tree = scratch + "/tree";
        CHECK_OK(fetch(git, step, wanted, tree));
        TRY(const std::string time,
            git.run(tree, {"log", "-1", "--format=%ct", "--no-show-signature"}));
        CHECK_OK(replace_file(scratch + "/time", as_bytes(time)));
        if (!step.keep_git_directory) {
            CHECK_OK(remove_tree(tree + "/.git"));
        }
        if (::rename(scratch.c_str(), place.c_str()) != 0 && errno != EEXIST &&
            errno != ENOTEMPTY) {
            return fail(errno_error("rename " + scratch));
        }
        return {};
    }();
    if (auto removed = remove_tree(scratch); filled && !removed) {
        return removed;
    }
    return filled;
}

Result<std::string> directory_inside(const graph::GitStep& step, const std::string& tree) {
    TRY(const auto files,
        open_local_context(
            {.directory = tree, .ignore_text = {}, .ignore_name = {}, .stat_index = {}}));
    TRY(const std::string place, layers::resolve(*files, step.directory));
    TRY(const std::optional<layers::FileInfo> info, files->look(place));
    if (!info || info->type != codec::FileType::directory) {
        return fail(Error{std::errc::no_such_file_or_directory,
                          fmt::format("the repository has no directory \"{}\"", step.directory)});
    }
    return place.empty() ? tree : tree + "/" + place;
}

}  // namespace

Result<GitCheckout> check_out(const graph::GitStep& step, const GitOptions& options) {
    CHECK_OK(check(step, options.protocols));
    const Git git{step, options};
    TRY(const Resolved wanted, ask_remote(git, step));
    if (!wanted.commit.starts_with(step.checksum)) {
        return fail(invalid(
            fmt::format("expected checksum to match {}, got {}", step.checksum, wanted.commit)));
    }
    const std::string place = options.cache_directory + "/" + cache_name(step, wanted.commit);
    if (::access(place.c_str(), F_OK) != 0) {
        CHECK_OK(fill_cache(git, step, wanted, place));
    }
    note_fetched_use(place);
    constexpr std::uint64_t kTimeBytesMax = 64;
    GitCheckout checkout{.commit = wanted.commit, .directory = {}};
    TRY(const std::string time, read_file(place + "/time", kTimeBytesMax));
    std::from_chars(time.data(), time.data() + time.size(), checkout.committed_at_s);
    TRY(checkout.directory, directory_inside(step, place + "/tree"));
    return checkout;
}

}  // namespace lazybuild::files
