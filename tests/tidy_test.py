#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each rule of tidy.py finds what it is for, and leaves the neighbouring legal shape alone."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tidy  # noqa: E402  (found through the line above)

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"


def lines_found(rule, text, path="codec/tar.cc"):
    return [number for number, _ in rule(tidy.File(path, text))]


class Rules(unittest.TestCase):
    def test_licence_is_the_first_line_or_follows_the_interpreter(self):
        self.assertEqual(lines_found(tidy.check_licence, SPDX), [])
        self.assertEqual(lines_found(tidy.check_licence, "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"), [])
        self.assertEqual(lines_found(tidy.check_licence, "int a;\n" + SPDX), [1])
        self.assertEqual(lines_found(tidy.check_licence, ""), [1])

    def test_file_of_601_lines_is_too_long(self):
        self.assertEqual(lines_found(tidy.check_lengths, "x\n" * 600), [])
        self.assertEqual(lines_found(tidy.check_lengths, "x\n" * 601), [601])

    def test_line_of_101_columns_is_too_long_unless_it_cannot_be_broken(self):
        self.assertEqual(lines_found(tidy.check_lengths, "word " * 20 + "\n"), [])
        self.assertEqual(lines_found(tidy.check_lengths, "word " * 20 + "x\n"), [1])
        self.assertEqual(lines_found(tidy.check_lengths, "    // " + "h" * 120 + "\n"), [])

    def test_function_of_71_lines_is_too_long(self):
        shapes = (
            "int f(int a) {\n%s}\n",
            "class C {\n    Result<int> f(int a,\n                  int b) const {\n%s    }\n};\n",
            "C::C(int a)\n    : a_(a),\n      b_(a) {\n%s}\n",
        )
        for shape in shapes:
            self.assertEqual(lines_found(tidy.check_function_length, shape % ("    g();\n" * 70)), [], shape)
            self.assertEqual(len(lines_found(tidy.check_function_length, shape % ("    g();\n" * 71))), 1, shape)

    def test_blocks_and_types_are_no_functions(self):
        openings = ("if (a(b)) {", "for (;;) {", "while (a(b) &&\n       c(d)) {", "} else if (a()) {", "struct S {")
        for opening in openings:
            text = "    " + opening + "\n" + "    g();\n" * 80 + "    }\n"
            self.assertEqual(lines_found(tidy.check_function_length, text), [], opening)

    def test_header_opens_with_a_comment_and_pragma_once(self):
        good = SPDX + "// What it is for.\n#pragma once\n"
        self.assertEqual(lines_found(tidy.check_header_opening, good, "base/fd.h"), [])
        self.assertEqual(lines_found(tidy.check_header_opening, SPDX + "#pragma once\n", "base/fd.h"), [2])
        self.assertEqual(lines_found(tidy.check_header_opening, SPDX + "// It.\n", "base/fd.h"), [1])
        essay = SPDX + "// It.\n" * 31 + "#pragma once\n"
        self.assertEqual(lines_found(tidy.check_header_opening, essay, "base/fd.h"), [2])

    def test_includes_point_downwards(self):
        down = '#include "base/fd.h"\n#include "codec/tar.h"\n#include <vector>\n'
        self.assertEqual(lines_found(tidy.check_includes, down), [])
        self.assertEqual(lines_found(tidy.check_includes, '#include "snapshotter/io/task.h"\n'), [1])
        self.assertEqual(
            lines_found(tidy.check_includes, '#include "snapshotter/store/store.h"\n', "snapshotter/io/task.h"), [1]
        )
        self.assertEqual(lines_found(tidy.check_includes, '#include "tar.h"\n'), [1])
        self.assertEqual(lines_found(tidy.check_includes, '#include "api/snapshots.grpc.pb.h"\n'), [])

    def test_unfinished_work_is_found_in_words_of_its_own(self):
        self.assertEqual(lines_found(tidy.check_unfinished, "// TO" + "DO: later\n"), [1])
        self.assertEqual(lines_found(tidy.check_unfinished, "// mastodon\n"), [])

    def test_code_in_comments_is_found_and_prose_and_examples_are_not(self):
        for dead in ("// return x;", "    // foo(a, b);", "// int a = 3;", "// #include <x>", "#if 0", "// }"):
            self.assertEqual(lines_found(tidy.check_dead_code, dead + "\n"), [1], dead)
        legal = ("// One of them wins;", "//     auto x = f();", "int a = 3;  // of three (or four);", "// f(x) is x")
        for alive in legal:
            self.assertEqual(lines_found(tidy.check_dead_code, alive + "\n"), [], alive)

    def test_banned_words_count_in_code_alone(self):
        banned = ("using namespace std;", "assert(a);", "x = NULL;", "out << std::endl;", "  sprintf(a, b);")
        for line in banned:
            self.assertEqual(lines_found(tidy.check_banned_words, line + "\n"), [1], line)
        allowed = (
            "using namespace std::string_view_literals;",
            "static_assert(a);",
            'say("NULL, assert(x)");',
            "id INTEGER NOT NULL,",
            "category.system(code);",
        )
        for line in allowed:
            self.assertEqual(lines_found(tidy.check_banned_words, line + "\n"), [], line)

    def test_await_stands_alone(self):
        legal = ("auto v = co_await f(a);", "co_await f(a);", "co_return co_await f(a);", "T operator co_await() && {")
        for line in legal:
            self.assertEqual(lines_found(tidy.check_await_shapes, line + "\n"), [], line)
        bad = ("if (co_await f()) {", "x = a && co_await f();", "auto [a, b] = co_await f();", "a ? co_await f() : 1")
        for line in bad:
            self.assertEqual(lines_found(tidy.check_await_shapes, line + "\n"), [1], line)

    def test_source_that_nothing_builds_is_found(self):
        self.assertEqual(lines_found(tidy.check_listed_in_cmake, SPDX, "base/no_such_file.cc"), [1])
        self.assertEqual(lines_found(tidy.check_listed_in_cmake, SPDX, "base/file.cc"), [])

    def test_unit_test_is_named_after_a_source(self):
        rule = tidy.check_test_mirrors_source
        self.assertEqual(lines_found(rule, SPDX, "tests/unit/codec/sha256_test.cc"), [])
        self.assertEqual(lines_found(rule, SPDX, "tests/unit/codec/sha256_limits_test.cc"), [])
        self.assertEqual(lines_found(rule, SPDX, "tests/unit/codec/everything_test.cc"), [1])
        self.assertEqual(lines_found(rule, SPDX, "tests/unit/io/coroutine_shapes_test.cc"), [])


class Files(unittest.TestCase):
    def test_sources_are_found_and_build_trees_are_not(self):
        paths = tidy.repository_files()
        self.assertIn("tests/tidy.py", paths)
        self.assertIn("base/file.cc", paths)
        self.assertFalse([path for path in paths if path.startswith("build/")])


if __name__ == "__main__":
    unittest.main()
