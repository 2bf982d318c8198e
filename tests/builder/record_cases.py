#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Has BuildKit build the cases, and writes what it makes of them into their expected.json.

  record_cases.py --chroot DIR [CASE…]     only cases without an expected.json or error, or those named

DIR is a root file system with docker.io, docker-cli and docker-buildx (Debian sid's), in which dockerd runs with
--iptables=false --bridge=none. A case whose expected.json was written by hand stays as it is. A case that fails gets an
`error` with the last line of the message, to be looked at.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import base_image
import image_tree
from case import CASES, Case
from registry import Registry


def in_chroot(root, path):
    return "/" + os.path.relpath(path, root)


def load_case(name):
    """The case, though it may not say yet what is expected."""
    made = None
    for file in ("expected.json", "error", "output", "check"):
        if os.path.exists(os.path.join(CASES, name, file)):
            return Case(name), file
    made = os.path.join(CASES, name, "error")
    with open(made, "w", encoding="utf-8"):
        pass
    try:
        return Case(name), None
    finally:
        os.unlink(made)


def lasting(message):
    """What of a message is the same at every run and in every builder."""
    message = re.sub(r"^ERROR: (failed to build: )?(failed to solve: )?", "", message)
    message = re.sub(r"^failed to compute cache key: (failed to calculate checksum of ref \S+ )?", "", message)
    return re.sub(r"/var/lib/docker/\S+/merged", "", message)


def build(root, case, registry, directory):
    context = case.prepare(directory)
    flags = [in_chroot(root, flag) if flag.startswith(directory) else flag.replace(root + "/", "/")
             for flag in case.flags(registry, context, directory)]
    # Of a context it keeps files whose size and time are those of the last one, and all of ours have one time.
    subprocess.run(["chroot", root, "docker", "builder", "prune", "-af"], check=True, capture_output=True)
    fresh = [] if any(flag.startswith("--no-cache") for flag in flags) else ["--no-cache"]
    command = ["chroot", root, "docker", "buildx", "build", "--provenance=false", "--progress=plain", "-t", "case",
               *fresh, *registry.contexts(), *flags]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=300,
                          **case.stdin(directory))


def saved_image(root, directory):
    layout = os.path.join(directory, "saved")
    os.mkdir(layout)
    saved = subprocess.Popen(["chroot", root, "docker", "save", "case"], stdout=subprocess.PIPE)
    subprocess.run(["tar", "x", "-C", layout], stdin=saved.stdout, check=False, stderr=subprocess.DEVNULL)
    # It does not save an image without layers.
    return image_tree.read_image(layout) if saved.wait() == 0 else None


def record(root, name, registry, base, version):
    case, there = load_case(name)
    if there and case.by_hand:
        return "by hand"
    with tempfile.TemporaryDirectory(dir=os.path.join(root, "tmp")) as directory:
        os.chmod(directory, 0o755)
        done = build(root, case, registry, directory)
        if done.returncode != 0:
            if there == "expected.json":
                raise RuntimeError(f"{name} does not build any more:\n{done.stderr}")
            message = lasting(done.stderr.strip().splitlines()[-1])
            if there is None:
                with open(case.path("error"), "w", encoding="utf-8") as file:
                    file.write(message + "\n")
            return "fails: " + message
        if there == "error":
            raise RuntimeError(f"{name} should fail, and BuildKit builds it")
        image = saved_image(root, directory)
        if image is None:
            return "cannot be saved: write it by hand"
    scratch = image["tree"].get("bin/busybox") is None
    image["tree"] = image_tree.difference(image["tree"], {} if scratch else base)
    image["history"] = [registry.without_addresses(line) for line in image["history"]]
    for member in ("media types", "annotations"):  # of the driver
        image.pop(member)
    expected = {"made by": version, **({"scratch": True} if scratch else {}), **image}
    with open(case.path("expected.json"), "w", encoding="utf-8") as file:
        json.dump(expected, file, indent=1)
        file.write("\n")
    return "recorded"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--chroot", required=True)
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    root = os.path.realpath(arguments.chroot)
    asked = subprocess.run(["chroot", root, "docker", "version", "-f", "{{.Server.Version}}"], check=True,
                           capture_output=True, text=True)
    version = f"BuildKit of docker.io {asked.stdout.strip()}"
    names = arguments.cases or [name for name in sorted(os.listdir(CASES))
                                if not {"expected.json", "error"} & set(os.listdir(os.path.join(CASES, name)))]
    work = tempfile.mkdtemp(prefix="record-", dir="/var/tmp")
    try:
        with Registry(work) as registry:
            layout = os.path.join(work, "base")
            base_image.write_layout(layout)
            base = image_tree.read_image(layout)["tree"]
            for name in names:
                print(f"{name}: {record(root, name, registry, base, version)}", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
