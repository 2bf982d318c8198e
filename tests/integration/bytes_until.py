#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bytes that a registry had been asked for by some moment: bytes_until.py LOG SECONDS_SINCE_1970.

Sums the bodies of all answers in docker-registry's JSON log that were begun by then. An answer is logged when it is
complete, so one that was under way at the moment counts whole: the figure is never too small.
"""

import datetime
import json
import re
import sys

# Go prints a duration as 1m2.5s, 2.8ms, 11µs.
UNIT_SECONDS = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}


def duration_seconds(text):
    return sum(float(value) * UNIT_SECONDS[unit] for value, unit in re.findall(r"([\d.]+)(h|ms|µs|ns|m|s)", text))


def begin_seconds(record):
    # Nanoseconds are more than fromisoformat reads.
    end = re.sub(r"(\.\d{6})\d*", r"\1", record["time"]).replace("Z", "+00:00")
    return datetime.datetime.fromisoformat(end).timestamp() - duration_seconds(record["http.response.duration"])


def main(log, moment):
    total = 0
    with open(log, encoding="utf-8") as file:
        for line in file:
            record = json.loads(line) if line.startswith("{") else {}
            if "http.response.duration" in record and begin_seconds(record) <= float(moment):
                total += record.get("http.response.written", 0)
    print(total)


if __name__ == "__main__":
    main(*sys.argv[1:])
