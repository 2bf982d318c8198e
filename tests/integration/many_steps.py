#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A build context of many steps, none of which needs a base.

usage: many_steps.py DIRECTORY many     10,000 records: 50 stages of 100 steps. Each begins with a file of its own,
                                        so that no two steps have one key, and copies what nine others copy, too.
       many_steps.py DIRECTORY large    200 layers of 600 kB each, and a last step that reads one file: $FILE
"""

import os
import random
import sys

STAGES, STEPS, GROUPS = 50, 100, 5
LARGE, LARGE_BYTES = 200, 600_000


def write(directory, name, content):
    path = os.path.join(directory, "f", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.utime(path, (10**9, 10**9))


def many(directory):
    for stage in range(STAGES):
        write(directory, f"own/{stage}", b"stage %d\n" % stage)
    for number in range(GROUPS * STEPS):
        write(directory, f"{number}", b"%d\n" % number)
    yield "FROM scratch AS files\nCOPY f /f/"
    for stage in range(STAGES):
        yield f"FROM scratch AS s{stage}\nCOPY --from=files /f/own/{stage} /own"
        for step in range(STEPS - 1):
            yield f"COPY --from=files /f/{stage % GROUPS * STEPS + step} /{step}"
    yield "FROM scratch"
    for stage in range(STAGES):
        yield f"COPY --from=s{stage} /own /{stage}"


def large(directory):
    generator = random.Random(1)
    yield "FROM scratch AS all"
    for number in range(LARGE):
        write(directory, f"{number}", generator.randbytes(LARGE_BYTES))
        yield f"COPY f/{number} /{number}"
    yield "FROM scratch\nARG FILE=0\nCOPY --from=all /$FILE /$FILE"


def main():
    directory, kind = sys.argv[1:]
    lines = list({"many": many, "large": large}[kind](directory))
    with open(os.path.join(directory, "Dockerfile"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
