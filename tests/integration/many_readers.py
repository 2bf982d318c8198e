#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the files DIRECTORY/data-N all at once, each by a thread of its own: many_readers.py DIRECTORY SOURCE COUNT.

SOURCE holds their bytes one after the other. Ends with 0 when every byte of every file was right, else with 1.
"""

import os
import sys
import threading


def main(directory, source_path, count_text):
    count = int(count_text)
    with open(source_path, "rb") as file:
        source = file.read()
    size = len(source) // count
    wrong = []

    def read(number):
        try:
            with open(os.path.join(directory, f"data-{number}"), "rb", buffering=0) as file:
                if file.read(size + 1) != source[number * size : (number + 1) * size]:
                    wrong.append(f"data-{number}: wrong bytes")
        except OSError as error:
            wrong.append(f"data-{number}: {error}")

    threading.stack_size(256 << 10)
    threads = [threading.Thread(target=read, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        sys.exit(f"{len(wrong)} of {count} files: {wrong[0]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
