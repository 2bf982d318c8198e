#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds every case of tests/builder/cases and compares what comes out with what the case expects.

A case is a directory:
  Dockerfile      (or Containerfile, or what its flags name)
  context/        the build context; an empty one when it is missing. All times in it are 2001-09-09T01:46:40Z.
  prepare         a shell script that is run in a copy of the context, for what git does not keep
  flags           of `build`, one a line; "context: X" replaces the context; replaced are $REGISTRY, $HTTP (a server of
                  what served.py makes, which is also the argument HTTP if the Dockerfile has that), $CONTEXT, $CASE
                  and $WORK, a directory of the case's own
  stdin           a command whose output is the standard input of the build
  expected.json   what the image is, and who made it: recorded from BuildKit (record_cases.py), or, with a "differs" or
                  "by hand" member, written by hand for the reason that it gives
  again           more flags: a second build in an empty root with them makes the same bytes
  output          texts that a successful build prints, one a line; "not: TEXT" for what it does not print, "exit: N"
                  for another code than 0. Instead of an expected.json, or with it
  check           a shell script that is run in $WORK after a successful build, and fails if something is wrong
  error           instead of all that: the same for a build that fails with code 1 and says so on its standard error;
                  "differs: REASON" says why BuildKit's message is another

  run_cases.py [--lazybuild PROGRAM] [--jobs N] [CASE…]
"""

import argparse
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile

import base_image
import image_tree
from case import CASES, Case
from registry import Registry

SECONDS_MAX = 120


def compare(expected, found):
    """Lines that say where they differ; none when they agree."""
    lines = []
    for member in ("platform", "author", "layers", "media types", "annotations"):
        if member in expected and expected[member] != found[member]:
            lines.append(f"{member}: expected {expected[member]!r}, is {found[member]!r}")
    for member in ("config", "tree"):
        for name in sorted({*expected[member], *found[member]}):
            wanted, got = expected[member].get(name), found[member].get(name)
            if wanted != got:
                lines.append(f"{member} {name}: expected {wanted!r}, is {got!r}")
    if "history" in expected and expected["history"] != found["history"]:
        lines.append("history: expected\n    " + "\n    ".join(expected["history"]) + "\n  is\n    " +
                     "\n    ".join(found["history"]))
    others = expected.get("others", []), found.get("others", [])
    if len(others[0]) != len(others[1]):
        lines.append(f"{1 + len(others[0])} platforms expected, {1 + len(others[1])} found")
    for other in zip(*others):
        lines += compare(*other)
    return lines


class Runner:
    def __init__(self, program, registry, work):
        self.program = program
        self.registry = registry
        self.work = work
        layout = os.path.join(work, "base")
        base_image.write_layout(layout)
        self.base = image_tree.read_image(layout)["tree"]

    def run(self, name):
        """None when the case is as expected, else what is wrong."""
        case = Case(name)
        with tempfile.TemporaryDirectory(dir=self.work) as directory:
            out = os.path.join(directory, "out")
            context = case.prepare(directory)
            flags = [] if case.writes_itself else ["-o", f"type=oci,tar=false,dest={out}"]
            done = self.build(case, context, directory, "root", flags)
            wrong = case.check_texts(done) or case.run_check(directory)
            if wrong or case.expected is None:
                return wrong
            return self.check_image(case, out) or self.check_again(case, context, directory, out)

    def build(self, case, context, directory, root, flags):
        command = [self.program, "build", "--root", os.path.join(self.work, root), "--progress", "plain",
                   *self.registry.contexts(), *flags, *case.flags(self.registry, context, directory)]
        return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False,
                              timeout=SECONDS_MAX, **case.stdin(directory))

    def check_image(self, case, out):
        found = image_tree.read_image(out)
        base = {} if case.expected.get("scratch") else self.base
        found["tree"] = image_tree.difference(found["tree"], base)
        found["history"] = [self.registry.without_addresses(line) for line in found["history"]]
        return "\n  ".join(compare(case.expected, found)) or None

    def check_again(self, case, context, directory, out):
        if case.again is None:
            return None
        other = os.path.join(directory, "again")
        flags = ["-o", f"type=oci,tar=false,dest={other}", *case.again]
        done = self.build(case, context, directory, "root-again-" + case.name, flags)
        if done.returncode != 0:
            return done.stderr[-2000:]
        indexes = []
        for layout in (out, other):
            with open(os.path.join(layout, "index.json"), encoding="utf-8") as file:
                indexes.append(file.read())
        return None if indexes[0] == indexes[1] else "the second build made another image:\n" + "\n".join(indexes)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lazybuild", default=os.environ.get("LAZYBUILD", "build/dev/builder/cli/lazybuild"))
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("needs root: the commands of Dockerfiles run on mounted layers")
        return 77
    names = arguments.cases or sorted(os.listdir(CASES))
    failed = 0
    work = tempfile.mkdtemp(prefix="cases-", dir=os.environ.get("LAZYBUILD_SCRATCH", "/var/tmp"))
    try:
        with Registry(work) as registry, concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            runner = Runner(os.path.abspath(arguments.lazybuild), registry, work)
            for name, wrong in zip(names, pool.map(runner.run, names), strict=True):
                if wrong:
                    failed += 1
                    print(f"FAILED {name}\n  {wrong}", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main())
