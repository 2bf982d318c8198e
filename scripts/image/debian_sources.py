#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints this machine's own package sources for one Debian release, in apt's deb822 form.

debian_sources.py [--mirror-of OTHER] CODENAME [FILE…]. The image is made from the mirror that the machine's
administrator chose; sources of other releases and of other vendors stay out. Without FILEs, apt's own are read.
--mirror-of: where nothing names the release, ask the mirrors that carry the release OTHER for it.
"""

import argparse
import glob
import re
import sys

APT_FILES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources")
# What of a source is carried over; keyrings matter where a mirror signs with its own key.
FIELDS = ("Types", "URIs", "Suites", "Components", "Signed-By", "Trusted")


def from_list_line(line):
    """One-line style, sources.list(5): deb [option=value …] uri suite component…"""
    match = re.match(r"deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+(.+)", line.split("#")[0].strip())
    if not match:
        return None
    options = dict(part.split("=", 1) for part in (match[1] or "").split() if "=" in part)
    stanza = {"Types": "deb", "URIs": match[2], "Suites": match[3], "Components": match[4]}
    for option, field in (("signed-by", "Signed-By"), ("trusted", "Trusted")):
        if option in options:
            stanza[field] = options[option]
    return stanza


def from_stanza(text):
    """deb822 style: fields, their continuation lines indented; comments dropped."""
    stanza, field = {}, None
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if line[:1].isspace() and field:
            stanza[field] += "\n" + line
        elif ":" in line:
            field, value = line.split(":", 1)
            stanza[field] = value.strip()
    return stanza


def stanzas(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if path.endswith(".sources"):
        return [from_stanza(part) for part in re.split(r"\n\s*\n", text)]
    return [stanza for stanza in map(from_list_line, text.splitlines()) if stanza]


def for_release(stanza, codename):
    """The stanza with the suites of the release alone, or None when it has none of them."""
    if stanza.get("Enabled", "yes").lower() == "no" or "deb" not in stanza.get("Types", "").split():
        return None
    wanted = (codename, codename + "-updates", codename + "-security")
    suites = [suite for suite in stanza.get("Suites", "").split() if suite in wanted]
    # Vendors use a release's name for their suites too, but Debian alone has a component "main" there.
    if not suites or "main" not in stanza.get("Components", "").split():
        return None
    kept = {name: stanza[name] for name in FIELDS if name in stanza}
    return kept | {"Types": "deb", "Suites": " ".join(suites), "Components": "main"}


def found_for(codename, paths):
    found = [kept for path in paths for s in stanzas(path) if (kept := for_release(s, codename))]
    return found if any(codename in stanza["Suites"].split() for stanza in found) else []


def renamed(stanza, old, new):
    """The same mirror, asked for another release; None when it has nothing of it. sid has one suite only."""
    suites = [new + suite.removeprefix(old) for suite in stanza["Suites"].split() if new != "sid" or suite == old]
    return stanza | {"Suites": " ".join(suites)} if suites else None


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mirror-of", metavar="OTHER")
    parser.add_argument("codename")
    parser.add_argument("files", nargs="*")
    return parser.parse_args()


def main(options):
    paths = options.files or sorted(path for pattern in APT_FILES for path in glob.glob(pattern))
    found = found_for(options.codename, paths)
    if not found and options.mirror_of:
        renamed_all = (renamed(s, options.mirror_of, options.codename) for s in found_for(options.mirror_of, paths))
        found = [stanza for stanza in renamed_all if stanza]
    if not found:
        where = " ".join(paths)
        sys.exit(f"error: apt on this machine has no source for Debian {options.codename} (looked in {where})")
    print("\n\n".join("\n".join(f"{key}: {value}" for key, value in s.items()) for s in found))


if __name__ == "__main__":
    main(arguments())
