#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads FILE in pieces, in some order, and compares each with SOURCE: compare_reads.py FILE SOURCE PIECE_BYTES SEED.

The number of the pieces that were right so far goes to standard output, a line each. Ends with 1 at the first error
or the first wrong byte, which it names, and with 0 when all of FILE was right.
"""

import os
import random
import sys


def main(path, source_path, piece_bytes, seed):
    piece = int(piece_bytes)
    with open(path, "rb", buffering=0) as file, open(source_path, "rb") as source:
        offsets = list(range(0, os.fstat(source.fileno()).st_size, piece))
        random.Random(seed).shuffle(offsets)
        for count, offset in enumerate(offsets, 1):
            wanted = os.pread(source.fileno(), piece, offset)
            try:
                got = os.pread(file.fileno(), piece, offset)
            except OSError as error:
                sys.exit(f"{path} at {offset}: {error}")
            if got != wanted:
                sys.exit(f"{path} at {offset}: {len(got)} bytes, which are not the {len(wanted)} of {source_path}")
            print(count, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
