// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/instruction_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "builder/dockerfile/flags.h"
#include "builder/dockerfile/run_mount.h"
#include "builder/dockerfile/text.h"
#include "builder/dockerfile/words.h"

namespace lazybuild::dockerfile {
namespace {

constexpr std::size_t kHeredocsMax = 1000;  // of one instruction

Error at_least_one(std::string_view keyword) {
    return invalid(fmt::format("{} requires at least one argument", keyword));
}

Result<Flags> no_flags(const Statement& statement) {
    return Flags::parse(statement.flags, {});
}

// JSON array, else words.
Result<std::vector<std::string>> json_or_words(std::string_view rest) {
    TRY(JsonWords json, parse_json_words(rest));
    return json.is_json ? std::move(json.words) : split_blanks(rest);
}

// JSON array, else the whole text for a shell.
Result<Command> json_or_shell(std::string_view rest) {
    TRY(JsonWords json, parse_json_words(rest));
    if (json.is_json) {
        return Command{.words = std::move(json.words)};
    }
    return Command{.shell_form = true, .words = {std::string{rest}}};
}

// The content is the last one's of that name, so that `<<A <<A` reads as it does elsewhere.
Result<Heredoc> heredoc_named(const Statement& statement, const HeredocMark& mark) {
    for (const HeredocText& text : statement.heredocs) {
        if (text.mark.name == mark.name) {
            return Heredoc{
                .name = mark.name,
                .content = mark.cut_tabs ? without_leading_tabs(text.content) : text.content,
                .expand = mark.expand};
        }
    }
    return fail(invalid("unterminated heredoc"));
}

Result<AnyInstruction> parse_copy(const Statement& statement) {
    const bool add = lower_case(statement.keyword) == "add";
    const std::string_view keyword = add ? "ADD" : "COPY";
    TRY(std::vector<std::string> words, json_or_words(statement.rest));
    if (words.size() < 2) {
        return fail(
            invalid(fmt::format("{} requires at least two arguments, but only one was provided. "
                                "Destination could not be determined",
                                keyword)));
    }
    std::vector<FlagRule> rules{{"chown", FlagKind::text},
                                {"chmod", FlagKind::text},
                                {"link", FlagKind::yes_or_no},
                                {"exclude", FlagKind::list}};
    if (add) {
        rules.insert(rules.end(), {{"keep-git-dir", FlagKind::yes_or_no},
                                   {"checksum", FlagKind::text},
                                   {"unpack", FlagKind::yes_or_no}});
    } else {
        rules.insert(rules.end(), {{"from", FlagKind::text}, {"parents", FlagKind::yes_or_no}});
    }
    TRY(const Flags flags, Flags::parse(statement.flags, rules));
    Copy copy{.add = add,
              .from = flags.text("from"),
              .owner = flags.text("chown"),
              .permissions = flags.text("chmod"),
              .checksum = flags.text("checksum"),
              .link = flags.yes_or_no("link").value_or(false),
              .parents = flags.yes_or_no("parents").value_or(false),
              .excludes = flags.list("exclude"),
              .keep_git_directory = flags.yes_or_no("keep-git-dir"),
              .unpack = flags.yes_or_no("unpack")};
    copy.destination = std::move(words.back());
    words.pop_back();
    if (parse_heredoc_mark(copy.destination)) {
        return fail(invalid(fmt::format("{} cannot accept a heredoc as a destination", keyword)));
    }
    for (std::string& word : words) {
        if (const auto mark = parse_heredoc_mark(word)) {
            TRY(Heredoc heredoc, heredoc_named(statement, *mark));
            copy.heredocs.push_back(std::move(heredoc));
        } else {
            copy.sources.push_back(std::move(word));
        }
    }
    return copy;
}

// Heredocs that are not all of the command stay in it, for its shell to read.
Result<Command> run_command(const Statement& statement) {
    TRY(Command command, json_or_shell(statement.rest));
    if (statement.heredocs.empty() || !command.shell_form) {
        return command;
    }
    if (const auto mark = parse_heredoc_mark(statement.rest)) {
        TRY(Heredoc heredoc, heredoc_named(statement, *mark));
        command.heredocs.push_back(std::move(heredoc));
    }
    for (const HeredocText& text : statement.heredocs) {
        command.words.front() += "\n" + text.content + text.mark.name;
    }
    return command;
}

Result<AnyInstruction> parse_run(const Statement& statement) {
    TRY(const Flags flags, Flags::parse(statement.flags, {{"mount", FlagKind::list},
                                                          {"network", FlagKind::text},
                                                          {"security", FlagKind::text},
                                                          {"device", FlagKind::list}}));
    Run run{.mounts = flags.list("mount"),
            .network = flags.text("network"),
            .security = flags.text("security"),
            .devices = flags.list("device")};
    TRY(run.command, run_command(statement));
    for (const std::string& mount : run.mounts) {
        CHECK_OK(check_mount(mount));
    }
    const auto one_of = [](std::string_view value, std::initializer_list<std::string_view> known) {
        return value.empty() || std::ranges::find(known, value) != known.end();
    };
    if (!one_of(run.network, {"default", "none", "host"})) {
        return fail(invalid(fmt::format("invalid network mode {}", quoted(run.network))));
    }
    if (!one_of(run.security, {"sandbox", "insecure"})) {
        return fail(invalid(fmt::format("security {} is not valid", quoted(run.security))));
    }
    return run;
}

Result<AnyInstruction> parse_arg(const Statement& statement) {
    CHECK_OK(no_flags(statement));
    TRY(auto arguments, parse_arguments(statement.rest, statement.escape));
    return Arg{std::move(arguments)};
}

Result<AnyInstruction> parse_env(const Statement& statement) {
    CHECK_OK(no_flags(statement));
    TRY(auto variables, parse_named_words(statement.rest, "ENV", statement.escape));
    return Env{std::move(variables)};
}

Result<AnyInstruction> parse_label(const Statement& statement) {
    CHECK_OK(no_flags(statement));
    TRY(auto labels, parse_named_words(statement.rest, "LABEL", statement.escape));
    return Label{std::move(labels)};
}

// Instructions whose whole rest is one value.
template <class Kind>
Result<AnyInstruction> parse_one(const Statement& statement) {
    if (statement.rest.empty()) {
        return fail(invalid(
            fmt::format("{} requires exactly one argument", upper_case(statement.keyword))));
    }
    CHECK_OK(no_flags(statement));
    return Kind{statement.rest};
}

Result<AnyInstruction> parse_volume(const Statement& statement) {
    TRY(const auto words, json_or_words(statement.rest));
    if (words.empty()) {
        return fail(at_least_one("VOLUME"));
    }
    CHECK_OK(no_flags(statement));
    Volume volume;
    for (const std::string& word : words) {
        volume.paths.emplace_back(trim(word));
        if (volume.paths.back().empty()) {
            return fail(invalid("VOLUME specified can not be an empty string"));
        }
    }
    return volume;
}

Result<AnyInstruction> parse_expose(const Statement& statement) {
    Expose expose{split_blanks(statement.rest)};
    if (expose.ports.empty()) {
        return fail(at_least_one("EXPOSE"));
    }
    CHECK_OK(no_flags(statement));
    std::ranges::sort(expose.ports);
    return expose;
}

Result<AnyInstruction> parse_shell(const Statement& statement) {
    CHECK_OK(no_flags(statement));
    TRY(JsonWords json, parse_json_words(statement.rest));
    if (statement.rest.empty() || (json.is_json && json.words.empty())) {
        return fail(at_least_one("SHELL"));
    }
    if (!json.is_json) {
        return fail(invalid("SHELL requires the arguments to be in JSON form"));
    }
    return Shell{std::move(json.words)};
}

template <class Kind>
Result<AnyInstruction> parse_command(const Statement& statement) {
    CHECK_OK(no_flags(statement));
    TRY(Command command, json_or_shell(statement.rest));
    return Kind{std::move(command)};
}

// An interval of HEALTHCHECK; 0 when it was not given.
Result<std::chrono::nanoseconds> interval(const Flags& flags, std::string_view name) {
    const std::string text = flags.text(name);
    if (text.empty()) {
        return std::chrono::nanoseconds{0};
    }
    TRY(const std::chrono::nanoseconds value, parse_duration(text));
    if (value.count() != 0 && value < std::chrono::milliseconds{1}) {
        return fail(invalid(fmt::format("Interval {} cannot be less than 1ms", quoted(name))));
    }
    return value;
}

Result<int> retries(const Flags& flags) {
    const std::string text = flags.text("retries");
    if (text.empty()) {
        return 0;
    }
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return fail(invalid(fmt::format("--retries is not a number: {}", quoted(text))));
    }
    if (value < 0) {
        return fail(invalid(fmt::format("--retries cannot be negative ({})", value)));
    }
    return value;
}

Result<AnyInstruction> parse_healthcheck(const Statement& statement) {
    const FirstWord parts = first_word(statement.rest);
    const std::string kind = upper_case(parts.word);
    if (kind.empty()) {
        return fail(at_least_one("HEALTHCHECK"));
    }
    Healthcheck check{.none = kind == "NONE"};
    if (check.none && !parts.rest.empty()) {
        return fail(invalid("HEALTHCHECK NONE takes no arguments"));
    }
    TRY(const Flags flags, Flags::parse(statement.flags, {{"interval", FlagKind::text},
                                                          {"timeout", FlagKind::text},
                                                          {"start-period", FlagKind::text},
                                                          {"start-interval", FlagKind::text},
                                                          {"retries", FlagKind::text}}));
    if (!check.none && kind != "CMD") {
        return fail(invalid(fmt::format("Unknown type {} in HEALTHCHECK (try CMD)", quoted(kind))));
    }
    if (!check.none) {
        TRY(check.command, json_or_shell(parts.rest));
        if (parts.rest.empty() || check.command.words.empty()) {
            return fail(invalid("Missing command after HEALTHCHECK CMD"));
        }
    }
    TRY(check.interval, interval(flags, "interval"));
    TRY(check.timeout, interval(flags, "timeout"));
    TRY(check.start_period, interval(flags, "start-period"));
    TRY(check.start_interval, interval(flags, "start-interval"));
    TRY(check.retries, retries(flags));
    return check;
}

// Kept as text; parsed here only so that mistakes show where they were made.
Result<AnyInstruction> parse_onbuild(const Statement& statement) {
    if (statement.rest.empty()) {
        return fail(at_least_one("ONBUILD"));
    }
    CHECK_OK(no_flags(statement));
    Statement inner = split_statement(statement.rest, statement.escape);
    inner.heredocs = statement.heredocs;
    const std::string keyword = upper_case(inner.keyword);
    if (keyword == "ONBUILD") {
        return fail(invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"));
    }
    if (keyword == "MAINTAINER" || keyword == "FROM") {
        return fail(invalid(fmt::format("{} isn't allowed as an ONBUILD trigger", keyword)));
    }
    CHECK_OK(parse_statement(inner));
    Onbuild onbuild{statement.rest};
    for (const HeredocText& text : statement.heredocs) {
        onbuild.instruction += "\n" + text.content + text.mark.name;
    }
    return onbuild;
}

struct Kind {
    std::string_view keyword;
    Result<AnyInstruction> (*parse)(const Statement&);
};
constexpr std::array<Kind, 17> kKinds{{{"ADD", parse_copy},
                                       {"ARG", parse_arg},
                                       {"CMD", parse_command<Cmd>},
                                       {"COPY", parse_copy},
                                       {"ENTRYPOINT", parse_command<Entrypoint>},
                                       {"ENV", parse_env},
                                       {"EXPOSE", parse_expose},
                                       {"HEALTHCHECK", parse_healthcheck},
                                       {"LABEL", parse_label},
                                       {"MAINTAINER", parse_one<Maintainer>},
                                       {"ONBUILD", parse_onbuild},
                                       {"RUN", parse_run},
                                       {"SHELL", parse_shell},
                                       {"STOPSIGNAL", parse_one<StopSignal>},
                                       {"USER", parse_one<User>},
                                       {"VOLUME", parse_volume},
                                       {"WORKDIR", parse_one<Workdir>}}};

bool is_stage_name(std::string_view name) {
    const auto legal = [](char letter) {
        return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') ||
               letter == '-' || letter == '_' || letter == '.';
    };
    return !name.empty() && name[0] >= 'a' && name[0] <= 'z' && std::ranges::all_of(name, legal);
}

}  // namespace

Statement split_statement(std::string_view line, char escape) {
    line = trim(line);
    const FirstWord parts = first_word(line);
    Statement statement{
        .keyword = std::string{parts.word}, .text = std::string{line}, .escape = escape};
    std::string_view rest = parts.rest;
    statement.flags = take_flags(rest, escape);
    statement.rest = trim(rest);
    return statement;
}

Result<std::vector<HeredocMark>> heredocs_of(const Statement& statement) {
    if (statement.text.find("<<") == std::string::npos) {
        return std::vector<HeredocMark>{};
    }
    const std::string keyword = lower_case(statement.keyword);
    if (keyword == "onbuild") {
        Statement inner = split_statement(statement.rest, statement.escape);
        return lower_case(inner.keyword) == "onbuild" ? std::vector<HeredocMark>{}
                                                      : heredocs_of(inner);
    }
    if (keyword != "run" && keyword != "copy" && keyword != "add") {
        return std::vector<HeredocMark>{};
    }
    TRY(const JsonWords json, parse_json_words(statement.rest));
    if (json.is_json) {
        return std::vector<HeredocMark>{};
    }
    auto marks = find_heredocs(statement.text);
    if (marks.size() > kHeredocsMax) {
        return fail(
            over_limit(fmt::format("an instruction has more than {} heredocs", kHeredocsMax)));
    }
    return marks;
}

Result<From> parse_from(const Statement& statement) {
    std::vector<std::string> words = split_blanks(statement.rest);
    if (words.size() != 1 && (words.size() != 3 || lower_case(words[1]) != "as")) {
        return fail(invalid("FROM requires either one or three arguments"));
    }
    From from;
    if (words.size() == 3) {
        from.as_keyword = std::move(words[1]);
        from.name = lower_case(words[2]);
        from.name_as_written = std::move(words[2]);
        if (!is_stage_name(from.name)) {
            return fail(invalid(
                fmt::format("invalid name for build stage: {}, name can't start with a number or "
                            "contain symbols",
                            quoted(from.name_as_written))));
        }
    }
    TRY(const Flags flags, Flags::parse(statement.flags, {{"platform", FlagKind::text}}));
    from.platform = flags.text("platform");
    from.base = std::move(words[0]);
    return from;
}

Result<AnyInstruction> parse_statement(const Statement& statement) {
    const std::string keyword = upper_case(statement.keyword);
    if (const auto* kind = std::ranges::find(kKinds, keyword, &Kind::keyword);
        kind != kKinds.end()) {
        return kind->parse(statement);
    }
    std::vector<std::string> known{"FROM"};
    for (const Kind& kind : kKinds) {
        known.emplace_back(kind.keyword);
    }
    return fail(invalid(fmt::format("unknown instruction: {}{}", statement.keyword,
                                    did_you_mean(statement.keyword, known, true))));
}

std::string text_for_people(const Statement& statement) {
    if (lower_case(statement.keyword) != "run" || statement.heredocs.empty() ||
        !parse_heredoc_mark(statement.rest)) {
        return statement.text;
    }
    const std::string_view content = trim(statement.heredocs.front().content);
    const std::size_t end = content.find('\n');
    const std::string_view first = content.substr(0, end);
    return fmt::format("{} ({}{})", statement.text,
                       first.substr(0, first.find_last_not_of('\r') + 1),
                       end == content.npos ? "" : "...");
}

}  // namespace lazybuild::dockerfile
