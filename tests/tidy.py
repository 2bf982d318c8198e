#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what a compiler does not: the rules of the house that can be checked by reading lines.

tidy.py [FILE…] prints path:line: message for each violation and exits with 1 when there is one. Without FILEs
every source file of the repository is read. Each rule is a function from a File to its violations; each has a
test in tidy_test.py. clang-format runs over all C++ files at the end, when it is installed.
"""

import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
TEST_LINES_MAX = 110  # of one test, expected text included
COLUMNS_MAX = {".cc": 100, ".h": 100, ".py": 120, ".sh": 120}
HEADER_COMMENT_LINES_MAX = 30
SOURCE_SUFFIXES = (".cc", ".h", ".py", ".sh", ".cmake", "CMakeLists.txt", ".ci/run")
TEST_DATA = "tests/builder/cases/"  # files that builds are given
# From the ground up: a folder includes from itself and from what stands before it.
FLOORS = (
    "base",
    "keeper",
    "codec",
    "fuse",
    "snapshotter/io",
    "snapshotter/registry",
    "snapshotter/store",
    "snapshotter/layer",
    "snapshotter/service",
    "builder/dockerfile",
    "builder/image",
    "builder/graph",
    "builder/layers",
    "builder/files",
    "builder/solve",
    "builder/exec",
    "builder/export",
    "builder/cache",
    "builder/cli",
)
# Tests of the language or of a whole room; every other test file is named after a source.
TESTS_WITHOUT_SOURCE = ("coroutine_shapes_test.cc", "redirect_test.cc", "token_test.cc", "unpack_archive_test.cc",
                        "upload_test.cc")
BANNED = {
    r"\busing namespace\b(?! std::\w*literals;)": "name what is used (using a::b;) or write it out",
    r"\bstd::endl\b": "'\\n'; flushing is for whoever owns the stream",
    r"(?<![\w.>:])(sprintf|strcpy|strcat|gets)\s*\(": "fmt::format or std::string",
    r"(?<![\w.>:])assert\s*\(": "ASSERT of base/assert.h, which stays on in a release",
    r"(?<!NOT )\bNULL\b(?=\s*[;,)])": "nullptr",
    r"\bstd::regex\b": "a few lines of parsing: std::regex recurses on hostile input",
    r"(?<![\w.>:])(system|popen)\s*\(": "posix_spawn: no shell between us and a program",
}


class File:
    """A file of the repository: its path from the root, with '/', and its lines."""

    def __init__(self, path, text):
        self.path = path
        self.lines = text.split("\n")
        if self.lines[-1] == "":
            self.lines.pop()

    @property
    def is_cpp(self):
        return self.path.endswith((".cc", ".h"))


def without_literals(line):
    """The line with its strings, characters and comment emptied, for rules about code."""
    line = re.sub(r'"(?:\\.|[^"\\])*"', '""', line)
    line = re.sub(r"(?<![0-9A-Fa-f])'(?:\\.|[^'\\])+'", "''", line)
    return line.split("//")[0]


def check_licence(file):
    first = 1 if file.lines and file.lines[0].startswith("#!") else 0
    if "SPDX-License-Identifier: Apache-2.0" not in "".join(file.lines[first : first + 1]):
        yield first + 1, "the first line must be the SPDX line (after #! if there is one)"


def check_lengths(file):
    if len(file.lines) > FILE_LINES_MAX:
        yield FILE_LINES_MAX + 1, f"{len(file.lines)} lines; a file has at most {FILE_LINES_MAX}: split it by topic"
    columns_max = COLUMNS_MAX.get(os.path.splitext(file.path)[1], 1000)
    for number, line in enumerate(file.lines, 1):
        # A word that cannot be broken (an address, a digest) may stick out.
        if len(line) > columns_max and " " in line.strip()[4:]:
            yield number, f"{len(line)} columns; at most {columns_max}"


def statement_begin(lines, index):
    """The first line of the statement that ends at index: back over open parentheses and initialiser lists."""
    balance = 0
    while True:
        code = without_literals(lines[index])
        balance += code.count(")") - code.count("(")
        continued = balance > 0 or re.match(r"\s*(:(?!:)|->|requires\b)", code)
        initialiser = index > 0 and without_literals(lines[index - 1]).rstrip().endswith(",")
        if index == 0 or not (continued or initialiser):
            return index
        index -= 1


def functions(file):
    """(first, last) line indices of function bodies, by the shape that clang-format gives them."""
    lines = file.lines
    for index, line in enumerate(lines):
        code = without_literals(line).rstrip()
        # A lambda belongs to the function around it; a class or a namespace has no parentheses.
        if not re.search(r"\)[^=()]*\{$", code) or re.search(r"(^|[=(,]|return)\s*\[", code):
            continue
        begin = statement_begin(lines, index)
        if re.match(r"\s*(\}\s*)?(if|for|while|switch|else|do|catch|try|class|struct)\b", lines[begin]):
            continue
        closing = re.match(r"\s*", lines[begin])[0] + "}"
        end = next((i for i in range(index + 1, len(lines)) if lines[i].startswith(closing)), index)
        yield index, end


def check_function_length(file):
    if not file.is_cpp:
        return
    for begin, end in functions(file):
        most = TEST_LINES_MAX if file.path.startswith("tests/") else FUNCTION_LINES_MAX
        if end - begin - 1 > most:
            yield begin + 1, f"a function of {end - begin - 1} lines; at most {most}"


def check_header_opening(file):
    if not file.path.endswith(".h"):
        return
    comment = 0
    for line in file.lines[1:]:
        if not line.startswith("//"):
            break
        comment += 1
    if comment == 0:
        yield 2, "a header opens with a comment that says what it is for"
    elif comment > HEADER_COMMENT_LINES_MAX:
        yield 2, f"an opening comment of {comment} lines; at most {HEADER_COMMENT_LINES_MAX}"
    if "#pragma once" not in file.lines:
        yield 1, "a header has #pragma once"


def floor_of(path):
    return next((floor for floor in FLOORS if path.startswith(floor + "/")), None)


def check_includes(file):
    own = floor_of(file.path)
    if own is None or not file.is_cpp:
        return
    for number, line in enumerate(file.lines, 1):
        match = re.match(r'#include "([^"]+)"', line)
        if not match:
            continue
        other = floor_of(match[1])
        if other is None and not match[1].endswith(".pb.h"):
            yield number, f'"{match[1]}": our headers are included by their path from the root'
        elif other is not None and FLOORS.index(other) > FLOORS.index(own):
            yield number, f"{own} may not include {other}: dependencies run one way"


def check_unfinished(file):
    marks = "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"))
    for number, line in enumerate(file.lines, 1):
        match = re.search(rf"\b({marks})\b", line)
        if match:
            yield number, f"{match[1]}: do it, or say in plain words what is missing and why"


def check_dead_code(file):
    if not file.is_cpp:
        return
    statement = r"(return\b.*|(?:[\w:<>,&*]+\s+)?[\w:.>\[\]-]+\s*=[^=].*|[\w:.>-]+\(.*\))\s*;"
    for number, line in enumerate(file.lines, 1):
        # An example in a comment is indented; code that was switched off is not.
        if re.match(rf"\s*//+ ?(?:{statement}|#include .*|[{{}}]|\}}\s*else.*)\s*$", line):
            yield number, "code in a comment: version control remembers it"
        if re.match(r"\s*#if 0\b", line):
            yield number, "#if 0: version control remembers it"


def check_banned_words(file):
    if not file.is_cpp:
        return
    for number, line in enumerate(file.lines, 1):
        for pattern, instead in BANNED.items():
            if re.search(pattern, without_literals(line)):
                yield number, f"{line.strip()[:60]}: instead, {instead}"


def check_await_shapes(file):
    """co_await stands alone: `co_await f();`, `auto v = co_await f();`, `co_return co_await f();`."""
    if not file.is_cpp:
        return
    for number, line in enumerate(file.lines, 1):
        code = without_literals(line)
        if "co_await" not in code or "operator co_await" in code:
            continue
        if re.search(r"\b(if|while|for|switch)\s*\(.*co_await|&&|\|\||\s\?\s|auto\s*\[.*co_await", code):
            yield number, "co_await inside a condition or binding: put its result into a variable first"


def check_listed_in_cmake(file):
    """Every .cc is named by the CMakeLists.txt of its folder; a fuzz target, by one below tests/unit."""
    if not file.path.endswith(".cc"):
        return
    name = os.path.basename(file.path)
    folder = os.path.join(ROOT, os.path.dirname(file.path))
    lists = [os.path.join(folder, "CMakeLists.txt")]
    if file.path.startswith("tests/"):
        unit = os.path.join(ROOT, "tests", "unit")
        lists += [os.path.join(unit, room, "CMakeLists.txt") for room in sorted(os.listdir(unit))]
        lists.append(os.path.join(ROOT, "cmake", "targets.cmake"))
    texts = "\n".join(read(path) for path in lists if os.path.exists(path))
    if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", texts):
        yield 1, "no CMakeLists.txt names this file: it is never built"


def check_test_mirrors_source(file):
    match = re.match(r"tests/unit/(\w+)/(\w+)_test\.cc$", file.path)
    if not match or os.path.basename(file.path) in TESTS_WITHOUT_SOURCE:
        return
    folder = next((floor for floor in FLOORS if floor.split("/")[-1] == match[1]), None)
    sources = os.listdir(os.path.join(ROOT, folder)) if folder else []
    words = {word for source in sources for word in os.path.splitext(source)[0].split("_")} | {match[1]}
    # One word in common will do: token_pool_test.cc reads as about pool.cc, snapshots_test.cc about snapshot_table.cc.
    if not any(related(mine, theirs) for mine in match[2].split("_") for theirs in words):
        yield 1, f"no source in {folder or match[1]} has this test's name"


def related(word, other):
    return word == other or word == other + "s" or word + "s" == other


RULES = (
    check_licence,
    check_lengths,
    check_function_length,
    check_header_opening,
    check_includes,
    check_unfinished,
    check_dead_code,
    check_banned_words,
    check_await_shapes,
    check_listed_in_cmake,
    check_test_mirrors_source,
)


def check(file):
    return [(file.path, number, message) for rule in RULES for number, message in rule(file)]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def repository_files():
    """Tracked and new files; without git (a source archive), everything outside build/."""
    listing = ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard"]
    result = subprocess.run(listing, capture_output=True, text=True, check=False)
    paths = result.stdout.splitlines() if result.returncode == 0 else list(walk())
    existing = [path for path in sorted(set(paths)) if os.path.isfile(os.path.join(ROOT, path))]
    return [path for path in existing if path.endswith(SOURCE_SUFFIXES) and not path.startswith(TEST_DATA)]


def walk():
    for folder, names, files in os.walk(ROOT):
        names[:] = [name for name in names if name not in ("build", ".git")]
        yield from (os.path.relpath(os.path.join(folder, name), ROOT) for name in files)


def check_format(paths):
    """clang-format's own findings; the version is fixed, since each formats a little differently."""
    program = shutil.which("clang-format-19")
    sources = [path for path in paths if path.endswith((".cc", ".h"))]
    if program is None:
        print("note: clang-format-19 is not installed, the format was not checked", file=sys.stderr)
    if program is None or not sources:
        return []
    command = [program, "--dry-run", *sources]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = sorted(set(re.findall(r"^(\S+?):(\d+):\d+: warning", result.stderr, re.MULTILINE)))
    return [(path, int(number), "not as clang-format-19 writes it (clang-format-19 -i)") for path, number in found]


def main(arguments):
    paths = [os.path.relpath(os.path.abspath(path), ROOT) for path in arguments] or repository_files()
    found = [hit for path in paths for hit in check(File(path, read(os.path.join(ROOT, path))))]
    found += check_format(paths)
    for path, number, message in found:
        print(f"{path}:{number}: {message}")
    print(f"{len(paths)} files, {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
