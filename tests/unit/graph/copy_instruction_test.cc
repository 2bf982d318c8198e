// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/stage_planner.h"
#include "plan_fixture.h"

namespace lazybuild::graph::testing {
namespace {

TEST(Copy, says_where_to_put_what) {
    struct Row {
        const char* text;
        Lines patterns;
        const char* destination;
        const char* history;
    };
    const Row rows[] = {
        {"COPY a b", {"a"}, "/w/b", "COPY a b # buildkit"},
        {"COPY a b /c/", {"a", "b"}, "/c/", "COPY a b /c/ # buildkit"},
        {"COPY . .", {""}, "/w/", "COPY . . # buildkit"},
        {"COPY / /", {""}, "/", "COPY / / # buildkit"},
        {"COPY ../../a/ /b/../c/.", {"a"}, "/c/", "COPY ../../a/ /b/../c/. # buildkit"},
        {"COPY *.c src", {"*.c"}, "/w/src", "COPY *.c src # buildkit"},
        {"COPY [\"a b\", \"c d\"]", {"a b"}, "/w/c d", "COPY a b c d # buildkit"},
        {"COPY $V/x ${V}y", {"v/x"}, "/w/vy", "COPY v/x vy # buildkit"},
        {"COPY --parents a/./b/c x/*/y /d/",
         {"a/./b/c", "x/*/y"},
         "/d/",
         "COPY --parents a/./b/c x/*/y /d/ # buildkit"},
        {"COPY --parents ./a /d/", {"a"}, "/d/", "COPY --parents ./a /d/ # buildkit"},
        {"COPY --chown=$V --chmod=0755 a b",
         {"a"},
         "/w/b",
         "COPY --chown=v --chmod=0755 a b # buildkit"},
        {"ADD a.tar /", {"a.tar"}, "/", "ADD a.tar / # buildkit"},
        {"copy a b", {"a"}, "/w/b", "COPY a b # buildkit"},
    };
    for (const Row& row : rows) {
        const Plan plan =
            plan_of(std::string("FROM scratch\nENV V=v\nWORKDIR /w\n") + row.text + "\n");
        const auto& copy = last_step<CopyStep>(plan);
        ASSERT_EQ(copy.sources.size(), 1U) << row.text;
        EXPECT_EQ(copy.sources[0].patterns, row.patterns) << row.text;
        EXPECT_EQ(copy.destination, row.destination) << row.text;
        EXPECT_EQ(history_of(plan).back(), std::string(row.history) + " [layer]");
    }
}

TEST(Copy, shows_values_in_progress_texts) {
    const Plan plan = plan_of("FROM scratch\nENV V=1\ncopy a-$V.txt /\n");
    EXPECT_EQ(plan.steps.back().text, "[1/1] COPY a-1.txt /");
}

TEST(Copy, passes_flags_on) {
    const Plan plan = plan_of(
        "FROM scratch\nARG WHO=7:8\nCOPY --chown=$WHO --chmod=u=rwX,go=rX --exclude=*.o "
        "--exclude=$X a b\n");
    const auto& copy = last_step<CopyStep>(plan);
    EXPECT_EQ(copy.owner, "7:8");
    EXPECT_EQ(copy.permissions, "u=rwX,go=rX");
    EXPECT_EQ(copy.excludes, (Lines{"*.o", "$X"}));
    EXPECT_TRUE(copy.base);
}

TEST(Copy, with_link_does_not_depend_on_what_is_below) {
    const auto has_base = [](const std::string& flags) {
        return last_step<CopyStep>(plan_of("FROM alpine\nCOPY " + flags + " a b\n"))
            .base.has_value();
    };
    EXPECT_TRUE(has_base(""));
    EXPECT_FALSE(has_base("--link"));
    EXPECT_FALSE(has_base("--link --chown=1:2 --chmod=755"));
    EXPECT_TRUE(has_base("--link --chown=www-data")) << "names are the base's";
    EXPECT_TRUE(has_base("--link=false"));
}

TEST(Copy, takes_from_stages_contexts_and_images) {
    Case given(
        "FROM scratch AS One\nCOPY a b\nFROM scratch\nCOPY --from=ONE 1 /\nCOPY --from=0 2 /\n"
        "COPY --from=files 3 /\nCOPY --from=busybox:1 4 /\nCOPY --from=pinned 5 /\n");
    given.options.contexts["files"] = {.kind = NamedContext::Kind::files, .place = ""};
    given.options.contexts["docker.io/library/pinned:latest"] = {.kind = NamedContext::Kind::image,
                                                                 .place = "oci:/layout:x"};
    const Plan plan = plan_of(given);
    std::vector<const Step*> from;
    for (const Step& step : plan.steps) {
        if (const auto* copy = std::get_if<CopyStep>(&step.what);
            copy != nullptr && from.size() < 9) {
            from.push_back(&plan.steps.at(copy->sources.at(0).from));
        }
    }
    ASSERT_EQ(from.size(), 6U);
    EXPECT_EQ(from[1], &plan.steps.at(plan.stages.at(0).result));
    EXPECT_EQ(from[2], from[1]);
    EXPECT_EQ(std::get<ContextStep>(from[3]->what).name, "files");
    EXPECT_EQ(std::get<ImageStep>(from[4]->what).place, "docker.io/library/busybox:1");
    EXPECT_EQ(std::get<ImageStep>(from[5]->what).place, "oci:/layout:x");
}

TEST(Copy, writes_heredocs_as_files) {
    const Plan plan =
        plan_of("FROM scratch\nENV V=1\nCOPY a <<one <<'two' /d/\n$V \"q\" \\$V\none\n$V\ntwo\n");
    const auto& copy = last_step<CopyStep>(plan);
    ASSERT_EQ(copy.inline_files.size(), 2U);
    EXPECT_EQ(copy.inline_files[0].name, "one");
    EXPECT_EQ(copy.inline_files[0].content, "1 \"q\" $V\n");
    EXPECT_EQ(copy.inline_files[0].mode, 0644U);
    EXPECT_EQ(copy.inline_files[1].content, "$V\n");
    EXPECT_EQ(history_of(plan).back(), "COPY a <<one <<two /d/ # buildkit [layer]");
}

TEST(Add, unpacks_local_archives_unless_told_otherwise) {
    const auto unpacks = [](const std::string& text) {
        return last_step<CopyStep>(plan_of("FROM scratch\n" + text + "\n")).sources.at(0).unpack;
    };
    EXPECT_TRUE(unpacks("ADD a.tar /"));
    EXPECT_FALSE(unpacks("ADD --unpack=false a.tar /"));
    EXPECT_FALSE(unpacks("COPY a.tar /"));
    EXPECT_FALSE(unpacks("ADD https://h/a.tar /"));
    EXPECT_TRUE(unpacks("ADD --unpack=true https://h/a.tar /"));
}

TEST(Add, fetches_urls_under_their_own_names) {
    struct Row {
        const char* url;
        const char* name;
    };
    const Row rows[] = {
        {"https://h/a/b.tgz", "b.tgz"},       {"http://h/a/?x=y/z#f/g", "a"},
        {"https://h", "__unnamed__"},         {"https://h/", "__unnamed__"},
        {"https://h/a%20b", "a b"},           {"https://h/x/..", "__unnamed__"},
        {"https://h/%2e%2e/%2fetc%2fp", "p"},
    };
    for (const Row& row : rows) {
        const Plan plan = plan_of(std::string("FROM scratch\nADD ") + row.url + " /d/\n");
        const auto& http = last_step<HttpStep>(plan);
        EXPECT_EQ(http.url, row.url);
        EXPECT_EQ(http.file_name, row.name) << row.url;
        EXPECT_EQ(last_step<CopyStep>(plan).sources.at(0).patterns, (Lines{row.name}));
    }
}

TEST(Add, takes_git_repositories) {
    const Plan plan = plan_of(
        "FROM scratch\nADD --keep-git-dir=true --checksum=abc123 https://h/r.git#v1:sub /d\n");
    const auto& git = last_step<GitStep>(plan);
    EXPECT_EQ(git.remote, "https://h/r.git");
    EXPECT_EQ(git.reference, "v1");
    EXPECT_EQ(git.directory, "sub");
    EXPECT_EQ(git.checksum, "abc123");
    EXPECT_TRUE(git.keep_git_directory);
    EXPECT_EQ(last_step<CopyStep>(plan).sources.at(0).patterns, (Lines{""}));
}

TEST(Add, keeps_sources_of_different_kinds_in_order) {
    const Plan plan = plan_of("FROM scratch\nADD a b https://h/c d /x/\n");
    const auto& copy = last_step<CopyStep>(plan);
    ASSERT_EQ(copy.sources.size(), 3U);
    EXPECT_EQ(copy.sources[0].patterns, (Lines{"a", "b"}));
    EXPECT_EQ(copy.sources[1].patterns, (Lines{"c"}));
    EXPECT_EQ(copy.sources[2].patterns, (Lines{"d"}));
    EXPECT_EQ(copy.sources[2].from, copy.sources[0].from);
}

TEST(Copy, refuses_what_makes_no_sense) {
    const std::string digest(64, 'a');
    struct Row {
        std::string text;
        const char* error;
    };
    const Row rows[] = {
        {"COPY https://h/a b", "source can't be a URL for COPY"},
        {"COPY git@h:a/b c", "source can't be a git ref for COPY"},
        {"COPY --chmod=99 a b",
         "invalid chmod parameter: '99'. it should be octal string and between 0 and 07777, or "
         "symbolic like u=rwX,go=rX"},
        {"ADD --checksum=sha256:" + digest + " a b", "checksum requires HTTP(S) or Git sources"},
        {"ADD --checksum=sha256:" + digest + " https://h/a https://h/b /c/",
         "checksum can't be specified for multiple sources"},
        {"ADD https://h/r.git?nonsense=1 b",
         "https://h/r.git?nonsense=1: unexpected query \"nonsense\""},
        {"ADD --keep-git-dir=false https://h/r.git?keep-git-dir=1 b",
         "inconsistent keep-git-dir configuration"},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(error_of("FROM scratch\n" + row.text + "\n"),
                  std::string("Dockerfile:2: ") + row.error);
    }
}

}  // namespace
}  // namespace lazybuild::graph::testing
