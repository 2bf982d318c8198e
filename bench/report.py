#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints Google Benchmark's JSON as Markdown tables of ratios: report.py FILE…

A benchmark's name is GROUP/WHO; one of a group is labelled "baseline", and the others are given as how many times as
fast they are. Rates are compared where there are any (bytes, else items, per second), times otherwise.
"""

import json
import os
import sys

STANDARD = {"name", "run_name", "run_type", "family_index", "per_family_instance_index", "repetitions", "threads"}
STANDARD |= {"aggregate_name", "aggregate_unit", "iterations", "real_time", "cpu_time", "time_unit", "label"}
STANDARD |= {"bytes_per_second", "items_per_second", "repetition_index", "error_occurred", "error_message"}
CLOCKS = ("/real_time", "/manual_time")


def rows_of(path):
    """The medians of a file; without repetitions, its only figures."""
    with open(path, encoding="utf-8") as file:
        found = json.load(file)["benchmarks"]
    medians = [row for row in found if row.get("aggregate_name") == "median"]
    return medians or [row for row in found if row.get("run_type") != "aggregate"]


def seconds(row):
    """By the clock where the benchmark asks for it, else of the processor."""
    by_clock = row["run_name"].endswith(CLOCKS)
    scale = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}[row["time_unit"]]
    return row["real_time" if by_clock else "cpu_time"] * scale


def speed(row):
    return row.get("bytes_per_second") or row.get("items_per_second") or 1 / seconds(row)


def shown_speed(row):
    if "bytes_per_second" in row:
        return f"{row['bytes_per_second'] / 1e6:.0f} MB/s"
    if "items_per_second" in row:
        return f"{row['items_per_second'] / 1e3:.0f} k/s"
    return f"{seconds(row) * 1e3:.2f} ms"


def name_of(row):
    name = row["run_name"]
    for clock in CLOCKS:
        name = name.removesuffix(clock)
    return tuple(name.split("/", 1)) if "/" in name else (name, "")


def processor_ratio(row, baseline):
    """By the work of the processor alone, where a benchmark counts it: quiet also on a busy machine."""
    if not baseline or "processor_ms" not in row or "processor_ms" not in baseline:
        return ""
    return f"{baseline['processor_ms'] / row['processor_ms']:.2f}"


def counters(row):
    return ", ".join(f"{key} {value:.2f}" for key, value in row.items() if key not in STANDARD)


def place(row):
    """Groups together, in the order of the program; interleaved runs are in none."""
    return (name_of(row)[0], row["family_index"], row["per_family_instance_index"])


def print_table(path):
    rows = rows_of(path)
    baselines = {name_of(row)[0]: row for row in rows if row.get("label") == "baseline"}
    print(f"\n{os.path.splitext(os.path.basename(path))[0]}\n")
    print("| what | who | speed | times the baseline | by processor time | |\n|---|---|---|---|---|---|")
    for row in sorted(rows, key=place):
        group, who = name_of(row)
        if "error_message" in row:
            print(f"| {group} | {who} | {row['error_message']} | | | |")
            continue
        baseline = baselines.get(group)
        ratio = f"{speed(row) / speed(baseline):.2f}" if baseline else ""
        columns = (group, who, shown_speed(row), ratio, processor_ratio(row, baseline), counters(row))
        print(f"| {' | '.join(columns)} |")


def main(*paths):
    for path in paths:
        print_table(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
