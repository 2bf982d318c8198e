#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares two mounted file systems file by file: compare_trees.py [--made-after EPOCH] EXPECTED ACTUAL.

Type, mode, owner, size, time in whole seconds, link target, extended attributes, content, device number and
groups of hard links must be equal for every path. Prints each difference (the first hundred), then how much
was compared; exit code 1 when there is a difference. Nothing is skipped: an unreadable file is an error.
--made-after: a directory of the expected tree that is younger than that (seconds since 1970) got its time when
the tree was unpacked, because no layer names one: its time is not compared.
--rounded-times: the actual tree's times are rounded to whole seconds, where ours are cut off.
--without FACT: one (mtime, owner, …) that one of the trees does not have. --except PATH: not compared.
"""

import argparse
import hashlib
import os
import stat
import sys

DIFFERENCES_SHOWN_MAX = 100


def content(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(path, info, round_ns=0):
    """What must be equal about one file, by name of the attribute. round_ns: added to its time before it is cut off."""
    kind = stat.S_IFMT(info.st_mode)
    names = os.listxattr(path, follow_symlinks=False)
    facts = {
        "type": kind,
        "mode": oct(stat.S_IMODE(info.st_mode)),
        "owner": (info.st_uid, info.st_gid),
        "mtime": (info.st_mtime_ns + round_ns) // 10**9,
        "xattr": {name: os.getxattr(path, name, follow_symlinks=False) for name in names},
    }
    if kind == stat.S_IFREG:
        facts |= {"size": info.st_size, "sha256": content(path), "links": info.st_nlink}
    elif kind == stat.S_IFLNK:
        facts |= {"size": info.st_size, "target": os.readlink(path)}
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        facts |= {"device": (os.major(info.st_rdev), os.minor(info.st_rdev))}
    return facts


def walk(root):
    """Every path of the tree, the root included, as bytes: names need not be UTF-8."""
    yield b"."
    for directory, names, files in os.walk(root, onerror=raise_error):
        for name in names + files:
            yield os.path.relpath(os.path.join(directory, name), root)


def raise_error(error):
    raise error


def dump(root, round_ns=0):
    """Path -> facts; a file with several names also has the sorted list of them."""
    found, groups = {}, {}
    for path in walk(root):
        try:
            info = os.lstat(os.path.join(root, path))
        except FileNotFoundError:  # overlayfs lists a whiteout that hides nothing, and has no such file
            found[path] = {"type": "listed, and not there"}
            continue
        found[path] = describe(os.path.join(root, path), info, round_ns)
        if not stat.S_ISDIR(info.st_mode) and info.st_nlink > 1:
            groups.setdefault((info.st_dev, info.st_ino), []).append(path)
    for group in groups.values():
        for path in group:
            found[path]["hard links"] = sorted(group)
    return found


def forget_made_up_times(expected, actual, made_after):
    for path, facts in expected.items():
        if facts["type"] == stat.S_IFDIR and facts.get("mtime", -1) >= made_after and path in actual:
            facts["mtime"] = actual[path]["mtime"]


def forget_facts(tree, names):
    for facts in tree.values():
        for name in names:
            facts.pop(name, None)


def differences(expected, actual):
    for path in sorted(expected.keys() | actual.keys()):
        if path not in actual or path not in expected:
            yield f"{os.fsdecode(path)}: only in the {'expected' if path in expected else 'actual'} tree"
            continue
        for fact in sorted(expected[path].keys() | actual[path].keys()):
            old, new = expected[path].get(fact), actual[path].get(fact)
            if old != new:
                yield f"{os.fsdecode(path)}: {fact}: expected {old}, is {new}"


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--made-after", type=int, default=sys.maxsize)
    parser.add_argument("--rounded-times", action="store_true")
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--except", dest="left_out", action="append", default=[], type=os.fsencode)
    parser.add_argument("expected", type=os.fsencode)
    parser.add_argument("actual", type=os.fsencode)
    return parser.parse_args()


def main(options):
    expected = dump(options.expected, 10**9 // 2 if options.rounded_times else 0)
    actual = dump(options.actual)
    for path in options.left_out:
        expected.pop(path, None)
        actual.pop(path, None)
    for tree in (expected, actual):
        forget_facts(tree, options.without)
    forget_made_up_times(expected, actual, options.made_after)
    found = list(differences(expected, actual))
    for line in found[:DIFFERENCES_SHOWN_MAX]:
        print(line.encode("utf-8", "backslashreplace").decode())
    kinds = {facts["type"] for facts in expected.values()}
    print(f"{len(expected)} files of {len(kinds)} types compared, {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(arguments()))
