#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command and prints what it took, on one line: measure.py [--append FILE] COMMAND…

Prints "seconds processor-seconds peak-MiB": of the command and of what it waited for; the peak is the largest
process's. Its output goes to stderr. With --append the line goes to FILE. Exit code: the command's.
"""

import os
import resource
import subprocess
import sys
import time

KIB_PER_MIB = 1024


def main(arguments):
    target = None
    if arguments[0] == "--append":
        target, arguments = arguments[1], arguments[2:]
    begin = time.monotonic()
    status = subprocess.run(arguments, stdout=sys.stderr, check=False).returncode
    seconds = time.monotonic() - begin
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    line = f"{seconds:.3f} {used.ru_utime + used.ru_stime:.3f} {used.ru_maxrss / KIB_PER_MIB:.1f}"
    if target:
        with open(target, "a", encoding="utf-8") as file:
            file.write(line + os.linesep)
    else:
        print(line)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
