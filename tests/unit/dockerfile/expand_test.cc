// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/expand.h"

#include <gtest/gtest.h>

#include <map>

namespace lazybuild::dockerfile {
namespace {

std::optional<std::string> look_up(std::string_view name) {
    static const std::map<std::string, std::string, std::less<>> kVariables{
        {"a", "one"},
        {"b", "two words"},
        {"empty", ""},
        {"path", "/usr/local/lib/libz.so.1.2"},
        {"stars", "a*b*c"},
        {"umlaut", "für Äpfel"},
        {"ports", "80 443/tcp"},
        {"quote", "it's \"so\""},
        {"version", "v1.2.3-rc1"},
        {"1", "first"},
        {"10", "tenth"},
        {"_x9", "odd"}};
    const auto found = kVariables.find(name);
    return found == kVariables.end() ? std::nullopt : std::optional{found->second};
}

struct Case {
    std::string_view word;
    std::string_view expected;
};

void expect_all(std::initializer_list<Case> cases, char escape = '\\') {
    for (const Case& one : cases) {
        const auto result = expand(one.word, look_up, escape);
        ASSERT_TRUE(result) << one.word << ": " << result.error().message;
        EXPECT_EQ(result->text, one.expected) << one.word;
    }
}

void expect_errors(std::initializer_list<Case> cases) {
    for (const Case& one : cases) {
        const auto result = expand(one.word, look_up);
        ASSERT_FALSE(result) << one.word << " gave " << result->text;
        EXPECT_NE(result.error().message.find(one.expected), std::string::npos)
            << one.word << ": " << result.error().message;
        EXPECT_NE(result.error().message.find("failed to process \""), std::string::npos);
    }
}

TEST(Expand, puts_values_where_names_stand) {
    expect_all({{"plain", "plain"},
                {"", ""},
                {"$a", "one"},
                {"${a}", "one"},
                {"x$a", "xone"},
                {"$a.x", "one.x"},
                {"$a-x", "one-x"},
                {"${a}x", "onex"},
                {"$ax", ""},
                {"$_x9", "odd"},
                {"$a$a", "oneone"},
                {"$b", "two words"},
                {"[$unset]", "[]"},
                {"[${unset}]", "[]"},
                {"$", "$"},
                {"a$", "a$"},
                {"$ a", "$ a"},
                {"$/x", "$/x"},
                {"$(x)", "$(x)"},
                {"$$", ""},
                {"$@$*$#$?$-$!$0", ""},
                {"$1", "first"},
                {"$10", "tenth"},
                {"$1a", "firsta"},
                {"${1}0", "first0"},
                {"$100", ""},
                {"a b  c", "a b  c"},
                {"<$a<<$a", "<one<<one"}});
}

TEST(Expand, takes_quotes_and_escapes_away) {
    expect_all({{"'$a'", "$a"},
                {"\"$a\"", "one"},
                {"\"'$a'\"", "'one'"},
                {"'\"$a\"'", "\"$a\""},
                {"x'y z'w", "xy zw"},
                {"''", ""},
                {"\"\"", ""},
                {"\\$a", "$a"},
                {"\\\\$a", "\\one"},
                {"\\a", "a"},
                {"a\\", "a"},
                {"\\'", "'"},
                {"'\\'", "\\"},
                {"\"\\$a\"", "$a"},
                {"\"\\\"\"", "\""},
                {"\"\\\\\"", "\\"},
                {"\"\\a\"", "\\a"},
                {"\"\\'\"", "\\'"},
                {"$quote", "it's \"so\""},
                {"\"$b\" '$b'", "two words $b"}});
    expect_all({{"`$a", "$a"},
                {"C:\\dir", "C:\\dir"},
                {"``", "`"},
                {"\"`$a\"", "$a"},
                {"\"\\$a\"", "\\one"},
                {"'`'", "`"}},
               '`');
}

TEST(Expand, knows_defaults_and_alternatives) {
    expect_all({{"${a-x}", "one"},
                {"${a:-x}", "one"},
                {"${unset-x}", "x"},
                {"${unset:-x}", "x"},
                {"${empty-x}", ""},
                {"${empty:-x}", "x"},
                {"${unset:-}", ""},
                {"${a+x}", "x"},
                {"${a:+x}", "x"},
                {"${unset+x}", ""},
                {"${unset:+x}", ""},
                {"${empty+x}", "x"},
                {"${empty:+x}", ""},
                {"${a?no}", "one"},
                {"${a:?no}", "one"},
                {"${empty?no}", ""},
                {"${unset:-$a}", "one"},
                {"${unset:-${a}}", "one"},
                {"${unset:-${unset2:-${b}}}", "two words"},
                {"${unset:-'$a}'}", "$a}"},
                {"${unset:-\"$a\"}", "one"},
                {"${unset:-\\}}", "}"},
                {"${unset:-a b}", "a b"},
                {"${a:+${b}}!", "two words!"},
                {"pre${unset:-mid}post", "premidpost"},
                {"\"${unset:-x y}\"", "x y"}});
}

TEST(Expand, cuts_prefixes_and_suffixes) {
    expect_all({{"${path#/usr}", "/local/lib/libz.so.1.2"},
                {"${path#*/}", "usr/local/lib/libz.so.1.2"},
                {"${path##*/}", "libz.so.1.2"},
                {"${path%.*}", "/usr/local/lib/libz.so.1"},
                {"${path%%.*}", "/usr/local/lib/libz"},
                {"${path%/*}", "/usr/local/lib"},
                {"${path#nothing}", "/usr/local/lib/libz.so.1.2"},
                {"${path%nothing}", "/usr/local/lib/libz.so.1.2"},
                {"${path##*}", ""},
                {"${path%%*}", ""},
                {"${path#*}", "/usr/local/lib/libz.so.1.2"},
                {"${path%*}", "/usr/local/lib/libz.so.1.2"},
                {"${path#?}", "usr/local/lib/libz.so.1.2"},
                {"${path%??}", "/usr/local/lib/libz.so.1"},
                {"${path#/*/l*l}", "/lib/libz.so.1.2"},
                {"${path##/*/l*l}", "ibz.so.1.2"},
                {"${version#v}", "1.2.3-rc1"},
                {"${version%-*}", "v1.2.3"},
                {"${version%%.*}", "v1"},
                {"${version#[v]}", "v1.2.3-rc1"},
                {"${stars#a\\*}", "b*c"},
                {"${stars#*\\*}", "b*c"},
                {"${stars##*\\*}", "c"},
                {"${stars%\\*c}", "a*b"},
                {"${stars#a\\?}", "a*b*c"},
                {"${umlaut#f?}", "r Äpfel"},
                {"${umlaut%?pfel}", "für "},
                {"${empty#x}", ""},
                {"${unset#x}", ""},
                {"${a#$a}", ""},
                {"${a%'ne'}", "o"}});
}

TEST(Expand, replaces_matches) {
    expect_all({{"${a/n/N}", "oNe"},
                {"${path/l/L}", "/usr/Local/lib/libz.so.1.2"},
                {"${path//l/L}", "/usr/LocaL/Lib/Libz.so.1.2"},
                {"${path//\\//_}", "_usr_local_lib_libz.so.1.2"},
                {"${path//./}", "/usr/local/lib/libzso12"},
                {"${path/\\/*\\//X}", "Xlibz.so.1.2"},
                {"${stars//\\*/+}", "a+b+c"},
                {"${stars/\\*/+}", "a+b*c"},
                {"${version/rc?/final}", "v1.2.3-final"},
                {"${version//[0-9]/x}", "v1.2.3-rc1"},
                {"${b// /_}", "two_words"},
                {"${b/*/x}", "x"},
                {"${b//*/x}", "x"},
                {"${b/nothing/x}", "two words"},
                {"${a//?/xy}", "xyxyxy"},
                {"${a/n/$version}", "ov1.2.3-rc1e"},
                {"${unset/a/b}", ""},
                {"${b/two/$1}", "first words"}});
}

TEST(Expand, says_what_is_wrong) {
    expect_errors({{"${", "syntax error: missing '}'"},
                   {"${a", "syntax error: missing '}'"},
                   {"${a:", "syntax error: missing '}'"},
                   {"${a:-", "syntax error: missing '}'"},
                   {"${a:-x", "syntax error: missing '}'"},
                   {"${a#x", "syntax error: missing '}'"},
                   {"${a/x", "syntax error: missing '/' in ${}"},
                   {"${a/x/y", "syntax error: missing '}'"},
                   {"${}", "syntax error: bad substitution"},
                   {"${{a}}", "syntax error: bad substitution"},
                   {"${:-x}", "syntax error: bad substitution"},
                   {"${a:#x}", "unsupported modifier (:#) in substitution"},
                   {"${a:%x}", "unsupported modifier (:%) in substitution"},
                   {"${a:=x}", "unsupported modifier (:=) in substitution"},
                   {"${a=x}", "unsupported modifier (=) in substitution"},
                   {"${a^}", "unsupported modifier (^) in substitution"},
                   {"${a:0:1}", "unsupported modifier (:0) in substitution"},
                   {"${unset?}", "unset: is not allowed to be unset"},
                   {"${unset:?}", "unset: is not allowed to be unset"},
                   {"${empty:?}", "empty: is not allowed to be empty"},
                   {"${unset?set $a}", "unset: set one"},
                   {"${a#\\x}", "invalid pattern (\\x) in substitution: invalid escape '\\x'"},
                   {"'a", "looking for matching single-quote"},
                   {"\"a", "looking for matching double-quote"},
                   {"\"$a", "looking for matching double-quote"}});
}

TEST(Expand, tells_what_was_looked_up) {
    const auto result = expand("$a ${unset:-$empty} ${other+x} '$quoted'", look_up);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->used, (std::set<std::string, std::less<>>{"a", "empty"}));
    EXPECT_EQ(result->undefined, (std::set<std::string, std::less<>>{"other", "unset"}));
}

TEST(Expand, leaves_quotes_alone_in_the_content_of_heredocs) {
    const auto result = expand_content("echo \"$a\" '$a' \\$a it's \\\\ `x`\n", look_up);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->text, "echo \"one\" 'one' $a it's \\ `x`\n");
}

TEST(Expand, splits_values_into_words_where_it_is_asked_to) {
    const auto words = [](std::string_view text) { return expand_words(text, look_up)->words; };
    using List = std::vector<std::string>;
    EXPECT_EQ(words("$ports"), (List{"80", "443/tcp"}));
    EXPECT_EQ(words("8080 $ports"), (List{"8080", "80", "443/tcp"}));
    EXPECT_EQ(words("\"$ports\""), (List{"80 443/tcp"}));
    EXPECT_EQ(words("x$ports"), (List{"x80", "443/tcp"}));
    EXPECT_EQ(words("8${unset:-0}80"), (List{"8080"}));
    EXPECT_EQ(words("  a\\ b  "), (List{"a b"}));
    EXPECT_EQ(words("$unset"), List{});
    EXPECT_EQ(words("'' a"), (List{"a"}));
    EXPECT_FALSE(expand_words("'", look_up));
}

TEST(Expand, finds_the_words_of_a_shell_line) {
    using List = std::vector<std::string>;
    EXPECT_EQ(shell_words("cat << EOF 'a b' \\'c", Quoting::keep),
              (List{"cat", "<< EOF", "'a b'", "\\'c"}));
    EXPECT_EQ(shell_words("'E'\"O\"F $x ${y:-z}", Quoting::remove), (List{"EOF", "$x", "${y:-z}"}));
    EXPECT_EQ(shell_words("it's", Quoting::keep), std::nullopt);
}

TEST(Expand, refuses_values_that_grow_without_end) {
    const std::string big(1 << 20, 'x');
    const Lookup lookup = [&](std::string_view) { return std::optional{big}; };
    std::string word;
    for (int i = 0; i < 40; ++i) {
        word += "$a";
    }
    auto result = expand(word, lookup);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, std::errc::argument_out_of_domain);
    result = expand("\"" + word + "\"", lookup);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, std::errc::argument_out_of_domain);
    EXPECT_FALSE(expand("${a//x/$a}", lookup));
}

TEST(Expand, refuses_substitutions_that_are_nested_too_deeply) {
    std::string word = "x";
    for (int i = 0; i < kExpansionDepthMax; ++i) {
        word = "${unset:-" + word + "}";
    }
    EXPECT_EQ(expand(word, look_up)->text, "x");
    const auto result = expand("${unset:-" + word + "}", look_up);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, std::errc::argument_out_of_domain);
    std::string open;
    for (int i = 0; i < 100'000; ++i) {
        open += "${a:-";
    }
    EXPECT_FALSE(expand(open, look_up));
}

TEST(Expand, gives_up_on_patterns_that_would_take_for_ever) {
    const std::string value(200'000, 'a');
    const Lookup lookup = [&](std::string_view) { return std::optional{value}; };
    const auto result = expand("${v#*" + std::string(50'000, 'a') + "b}", lookup);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, std::errc::argument_out_of_domain);
    EXPECT_TRUE(expand("${v#*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b}", lookup));
    EXPECT_TRUE(expand("${v//*a*a*a*a*a*b/x}", lookup));
}

}  // namespace
}  // namespace lazybuild::dockerfile
