#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random Dockerfiles, changed at random: a cache must never change what is built, and never forget what was.

For each seed: a build writes a cache (mode=max). Then the Dockerfile, its arguments or its context change a little, and
the same is built
  - on the first build's own store,
  - in an empty store, with the cache,
  - in an empty store, without it.
All three make the same image (files, config, history; times of what RUN made aside), and the second finds every step
cached that the first does.

  random_builds.py [--lazybuild PROGRAM] [--seeds N] [--first SEED] [--cache local|registry]
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

import image_tree
from registry import Registry

SECONDS_MAX = 120
FILES = ["a.txt", "b.txt", "dir/c.txt", "dir/d.sh", "dir/deep/e.txt", "other/f.txt"]


class Build:
    """A Dockerfile in pieces that can be changed, its context and its arguments."""

    def __init__(self, chance, bases):
        self.chance = chance
        self.bases = bases
        self.arguments = {"WORD": "first", "BUST": "0"}
        self.files = {name: f"{name} {chance.random()}\n" for name in FILES}
        self.modes = {name: 0o755 if name.endswith(".sh") else 0o644 for name in FILES}
        self.times = {name: 1_000_000_000 for name in FILES}
        self.serial = 0
        self.stages = [self.stage(number) for number in range(chance.randint(2, 4))]

    def stage(self, number):
        base = self.chance.choice(self.bases + [f"s{i}" for i in range(number)])
        lines = ["ARG WORD", "ARG BUST"] if self.chance.random() < 0.5 else ["ARG WORD"]
        for _ in range(self.chance.randint(2, 5)):
            lines.append(self.instruction(number))
        if number:  # each stage is reached
            lines.append(self.copy_from(number - 1))
        return base, lines

    def instruction(self, stage):
        self.serial += 1
        here = f"/made/{self.serial}"
        kinds = [
            f"RUN mkdir -p /made && echo fixed {self.serial} > {here}",
            f'RUN mkdir -p /made && echo "$WORD" > {here}',
            f'RUN mkdir -p /made && echo "$BUST" > {here}',
            "RUN rm -rf /src/dir && mkdir -p /src/dir",
            "RUN true",
            "RUN mkdir -p /linked && touch /linked/one && ln -f /linked/one /linked/two && ln -sf one /linked/three",
            "RUN chmod 700 /etc/passwd; find /made /src /from 2>/dev/null | sort | sha256sum > /listing",
            "COPY . /src/",
            "COPY dir /src/dir",
            "COPY --chmod=600 a.txt b.txt /src/",
            "COPY --chown=1000:1001 dir/*.txt /src/",
            "COPY --link other /linked-copy/",
            "WORKDIR /work/dir",
            f"ENV VALUE={self.serial} OTHER=$WORD",
            f"LABEL number={self.serial}",
            "USER app",
            "USER root",
        ]
        if stage:
            kinds += [self.copy_from(self.chance.randrange(stage)) for _ in range(4)]
            kinds.append(f"RUN --mount=from=s{self.chance.randrange(stage)},target=/m,source=/etc "
                         f"mkdir -p /made && cat /m/passwd > {here}")
        return self.chance.choice(kinds)

    def copy_from(self, stage):
        link = self.chance.choice(["", "--link "])
        what = self.chance.choice(["/etc/passwd /from/", "/etc /from/etc", "/made* /from/made/", "/src* /from/src/"])
        return f"COPY {link}--from=s{stage} {what}"

    def change(self):
        """One thing, or nothing."""
        name = self.chance.choice(FILES)
        kind = self.chance.randrange(8)
        if kind == 0:
            self.files[name] += "changed\n"
        elif kind == 1:
            self.times[name] += 1000
        elif kind == 2:
            self.modes[name] ^= 0o050
        elif kind == 3:
            self.arguments["BUST"] = "1"
        elif kind == 4:
            self.arguments["WORD"] = "second"
        elif kind == 5:
            stage = self.chance.randrange(len(self.stages))
            lines = self.stages[stage][1]
            lines.insert(self.chance.randint(2, len(lines)), self.instruction(stage))
        elif kind == 6:
            stage = self.chance.randrange(len(self.stages))
            self.stages[stage] = (self.chance.choice(self.bases), self.stages[stage][1])
        return ["a file's content", "a file's time", "a file's mode", "BUST", "WORD", "an instruction", "a base",
                "nothing"][kind]

    def dockerfile(self):
        text = ""
        for number, (base, lines) in enumerate(self.stages):
            # As root: what is tried is the cache, not who may write where.
            text += f"FROM {base} AS s{number}\nUSER root\n" + "\n".join(lines) + "\n"
        return re.sub(r"^(USER app)$", r"\1\nUSER root", text, flags=re.M)

    def write(self, directory):
        shutil.rmtree(directory, ignore_errors=True)
        for name, content in self.files.items():
            path = os.path.join(directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(content)
            os.chmod(path, self.modes[name])
            os.utime(path, (self.times[name], self.times[name]))
        for root, _, _ in os.walk(directory):
            os.utime(root, (1_000_000_000, 1_000_000_000))


class Trial:
    def __init__(self, program, registry, cache, work):
        self.program, self.registry, self.work = program, registry, work
        place = os.path.join(work, "cache")
        self.cache_to, self.cache_from = {
            "local": (f"type=local,dest={place}", f"type=local,src={place}"),
            "registry": (f"type=registry,ref={registry.address}/cache:1",) * 2,
        }[cache]

    def build(self, build, root, *flags):
        """Steps that were cached, and what the image is."""
        out = os.path.join(self.work, "out")
        shutil.rmtree(out, ignore_errors=True)
        context = os.path.join(self.work, "context")
        build.write(context)
        arguments = [f"--build-arg={name}={value}" for name, value in build.arguments.items()]
        command = [self.program, "build", "--root", os.path.join(self.work, root), "--progress", "plain", "-f", "-",
                   *self.registry.contexts(), *arguments, "-o", f"type=oci,tar=false,dest={out}", *flags, context]
        done = subprocess.run(command, input=build.dockerfile(), capture_output=True, text=True, check=False,
                              timeout=SECONDS_MAX)
        if done.returncode != 0:
            raise RuntimeError(f"the build failed: {done.stderr[-3000:]}")
        image = image_tree.read_image(out)
        for member in ("media types", "annotations"):
            image.pop(member)
        return self.cached(done.stderr), image

    @staticmethod
    def cached(log):
        texts = {}
        for line in log.splitlines():
            match = re.match(r"#(\d+) (.*)", line)
            if match:
                texts.setdefault(match[1], []).append(match[2])
        return sorted(lines[0] for lines in texts.values() if "CACHED" in lines)


def differences(expected, found):
    lines = [f"{name}: {expected[name]!r} against {found[name]!r}"
             for name in expected if name != "tree" and expected[name] != found[name]]
    for path in sorted({*expected["tree"], *found["tree"]}):
        if expected["tree"].get(path) != found["tree"].get(path):
            lines.append(f"{path}: {expected['tree'].get(path)} against {found['tree'].get(path)}")
    return lines


def without_times(image):
    """Times are in no key: what is cached may be older than what is made now."""
    return image | {"tree": {path: text.replace(" old", "") for path, text in image["tree"].items()}}


def try_seed(program, registry, cache, seed, directory):
    """None, or what is wrong."""
    with tempfile.TemporaryDirectory(dir=directory) as work:
        trial = Trial(program, registry, cache, work)
        build = Build(random.Random(seed), ["busybox", "lazy"])
        trial.build(build, "own", "--cache-to", f"{trial.cache_to},mode=max,strict=true")
        change = build.change()
        time.sleep(1.1)  # what runs again is younger from now on, wherever it runs
        own, image = trial.build(build, "own")
        imported, with_cache = trial.build(build, "fresh", "--cache-from", trial.cache_from)
        _, without = trial.build(build, "empty")
        wrong = differences(image, with_cache) + differences(without_times(without), without_times(with_cache))
        if own != imported:
            wrong.append("cached with the store but not with the cache: " + "; ".join(sorted(set(own) - set(imported))))
            wrong.append("and the other way round: " + "; ".join(sorted(set(imported) - set(own))))
        if not wrong:
            return None
        return f"seed {seed}, after a change of {change}:\n  " + "\n  ".join(wrong[:20]) + "\n" + build.dockerfile()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lazybuild", default=os.environ.get("LAZYBUILD", "build/dev/builder/cli/lazybuild"))
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--cache", default="local", choices=["local", "registry"])
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("SKIP: needs root")
        return 77
    failed = 0
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="lazybuild-random.") as work, Registry(work) as registry:
        registry.add_lazy(arguments.lazybuild)
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            wrong = try_seed(arguments.lazybuild, registry, arguments.cache, seed, work)
            if wrong:
                failed += 1
                print("FAIL:", wrong)
    print(f"{arguments.seeds - failed} of {arguments.seeds} random builds are the same with and without a cache")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
