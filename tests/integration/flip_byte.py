#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Changes one byte of a file: flip_byte.py FILE OFFSET (a negative offset counts from the end)."""

import os
import sys


def main(path, offset):
    with open(path, "r+b") as file:
        file.seek(int(offset), os.SEEK_END if int(offset) < 0 else os.SEEK_SET)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0xFF]))


if __name__ == "__main__":
    main(*sys.argv[1:])
