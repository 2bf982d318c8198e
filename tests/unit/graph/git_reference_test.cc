// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/git_reference.h"

#include <gtest/gtest.h>

namespace lazybuild::graph {
namespace {

TEST(GitReference, is_told_from_other_places) {
    struct Row {
        const char* text;
        bool is_git;
    };
    const Row rows[] = {
        {"git@github.com:moby/moby", true},
        {"user@host.xz:path/to/repo.git#main", true},
        {"ssh://git@host/repo", true},
        {"git://host/repo", true},
        {"https://host/repo.git", true},
        {"http://host/repo.git#v1", true},
        {"https://host/repo.git?branch=x", true},
        {"https://host/repo", false},
        {"https://host/file.git.tar", false},
        {"https://user@host:8080/file", false},
        {"file://host/repo.git", false},
        {"some/path.git", false},
        {"./git@host:x", false},
        {"a:b", false},
        {"@host:x", false},
        {"", false},
    };
    for (const Row& row : rows) {
        const auto reference = parse_git_reference(row.text);
        ASSERT_TRUE(reference) << row.text;
        EXPECT_EQ(reference->has_value(), row.is_git) << row.text;
    }
}

TEST(GitReference, is_taken_apart) {
    struct Row {
        const char* text;
        const char* remote;
        const char* reference;
        const char* directory;
        const char* checksum;
    };
    const Row rows[] = {
        {"https://h/r.git", "https://h/r.git", "", "", ""},
        {"https://h/r.git#v1", "https://h/r.git", "v1", "", ""},
        {"https://h/r.git#v1:a/../b/", "https://h/r.git", "v1", "b", ""},
        {"https://h/r.git#:../../etc", "https://h/r.git", "", "etc", ""},
        {"https://h/r.git?ref=v1&subdir=a", "https://h/r.git", "v1", "a", ""},
        {"https://h/r.git?tag=1", "https://h/r.git", "refs/tags/1", "", ""},
        {"https://h/r.git?tag=refs/tags/1", "https://h/r.git", "refs/tags/1", "", ""},
        {"https://h/r.git?branch=a%2Fb", "https://h/r.git", "refs/heads/a/b", "", ""},
        {"git@h:r?checksum=abc", "git@h:r", "", "", "abc"},
        {"git@h:r?commit=abc#x", "git@h:r", "x", "", "abc"},
    };
    for (const Row& row : rows) {
        const auto reference = parse_git_reference(row.text);
        ASSERT_TRUE(reference && *reference) << row.text;
        const GitStep& step = (*reference)->step;
        EXPECT_EQ(step.remote, row.remote);
        EXPECT_EQ(step.reference, row.reference) << row.text;
        EXPECT_EQ(step.directory, row.directory) << row.text;
        EXPECT_EQ(step.checksum, row.checksum) << row.text;
    }
}

TEST(GitReference, has_switches) {
    const auto reference =
        parse_git_reference("https://h/r.git?keep-git-dir&submodules=false&mtime=commit");
    ASSERT_TRUE(reference && *reference);
    EXPECT_TRUE((*reference)->keep_git_directory_given);
    EXPECT_TRUE((*reference)->step.keep_git_directory);
    EXPECT_FALSE((*reference)->step.submodules);
    EXPECT_TRUE((*reference)->step.commit_times);
}

TEST(GitReference, refuses_contradictions_and_options_of_git) {
    struct Row {
        const char* text;
        const char* error;
    };
    const Row rows[] = {
        {"https://h/r.git?ref=a#b", "ref conflicts"},
        {"https://h/r.git?tag=a&branch=b", "branch conflicts with tag"},
        {"https://h/r.git?ref=a&ref=b", "query \"ref\" has multiple values"},
        {"https://h/r.git?ref=", "query \"ref\" has no value"},
        {"https://h/r.git?what=x", "unexpected query \"what\""},
        {"https://h/r.git?submodules=maybe", "invalid submodules value: \"maybe\""},
        {"https://h/r.git?mtime=now", "invalid mtime value: \"now\""},
        {"https://h/r.git#--upload-pack=x", "begins with a '-'"},
        {"-oProxyCommand=x@h:r", "begins with a '-'"},
        {"https://h/r.git?checksum=xyz", "is no commit"},
    };
    for (const Row& row : rows) {
        const auto reference = parse_git_reference(row.text);
        ASSERT_FALSE(reference) << row.text;
        EXPECT_NE(reference.error().message.find(row.error), std::string::npos)
            << reference.error().message;
    }
}

}  // namespace
}  // namespace lazybuild::graph
