# SPDX-License-Identifier: Apache-2.0
"""One case: its files, and what they say. See run_cases.py for what they mean."""

import json
import os
import re
import shutil
import subprocess

from base_image import MTIME

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases")
TIME = "2001-09-09T01:46:40Z"


class Case:
    def __init__(self, name):
        self.name = name
        self.directory = os.path.join(CASES, name)
        self.error = self.lines("error")
        self.output = self.lines("output")
        self.again = self.lines("again")
        text = self.read("expected.json")
        self.expected = json.loads(text) if text else None
        works = self.expected is not None or self.output is not None or os.path.exists(self.path("check"))
        if (self.error is None) != works:
            raise ValueError(f"{name} needs an error, or else an expected.json, an output or a check")
        # A case about outputs has its own, and a check of it.
        self.writes_itself = any(line.startswith(("-o", "--output")) for line in self.lines("flags") or [])

    @property
    def by_hand(self):
        """Whether what is expected is not what BuildKit does."""
        if self.error is not None:
            return any(line.startswith("differs: ") for line in self.error)
        return self.expected is None or "differs" in self.expected or "by hand" in self.expected

    def path(self, name):
        return os.path.join(self.directory, name)

    def read(self, name):
        if not os.path.exists(self.path(name)):
            return None
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def lines(self, name):
        text = self.read(name)
        return None if text is None else [line for line in text.splitlines() if line]

    def prepare(self, directory):
        """Copies the context, with the Dockerfile beside its files, and returns it."""
        context = os.path.join(directory, "context")
        if os.path.isdir(self.path("context")):
            shutil.copytree(self.path("context"), context, symlinks=True)
        else:
            os.mkdir(context)
        for name in os.listdir(self.directory):
            if "ockerfile" in name or "ontainerfile" in name or name in (".dockerignore", ".containerignore"):
                shutil.copy(self.path(name), context)
        # What git keeps of a mode is one bit.
        for parent, directories, files in os.walk(context):
            os.chmod(parent, 0o755)
            for name in files:
                path = os.path.join(parent, name)
                if not os.path.islink(path):
                    os.chmod(path, 0o755 if os.access(path, os.X_OK) and os.stat(path).st_mode & 0o100 else 0o644)
            del directories
        if os.path.exists(self.path("prepare")):
            subprocess.run(["sh", "-e", self.path("prepare")], cwd=context, check=True)
        subprocess.run(["find", context, "-exec", "touch", "-h", "-d", TIME, "{}", "+"], check=True)
        assert os.stat(context).st_mtime == MTIME
        return context

    def flags(self, registry, context, directory):
        """The case's flags and its context, for the end of a command line."""
        flags, place = [f"--build-arg=HTTP={registry.files}"] if self.served() else [], context
        for line in self.lines("flags") or []:
            for name, value in (("$REGISTRY", registry.address), ("$HTTP", registry.files), ("$CONTEXT", context),
                                ("$CASE", self.directory), ("$WORK", directory)):
                line = line.replace(name, value)
            if line.startswith("context: "):
                place = line.removeprefix("context: ")
            else:
                flags.append(line)
        return [*flags, place]

    def served(self):
        return "ARG HTTP" in (self.read("Dockerfile") or "")

    def stdin(self, directory):
        command = self.read("stdin")
        if command is None:
            return {"stdin": subprocess.DEVNULL}
        made = subprocess.run(["sh", "-ec", command], cwd=os.path.join(directory, "context"), check=True,
                              capture_output=True, text=False)
        path = os.path.join(directory, "stdin")
        with open(path, "wb") as file:
            file.write(made.stdout)
        # Closed by the process that it is given to, and by this object's end.
        return {"stdin": open(path, "rb")}

    def run_check(self, directory):
        """None when the case's script finds nothing wrong."""
        if not os.path.exists(self.path("check")):
            return None
        done = subprocess.run(["sh", "-ex", self.path("check")], cwd=directory, capture_output=True, text=True,
                              errors="replace", check=False)
        return None if done.returncode == 0 else "the check failed:\n" + done.stdout + done.stderr

    def check_texts(self, done):
        """None when the build `done` ended as it should, and said what it should."""
        code, texts, unwanted = (0 if self.error is None else 1), [], []
        said = done.stderr if self.output is None else done.stdout + done.stderr
        for line in self.output or self.error or []:
            found = re.fullmatch(r"exit: (\d+)", line)
            if found:
                code = int(found[1])
            elif line.startswith("not: "):
                unwanted.append(line.removeprefix("not: "))
            elif not line.startswith("differs: "):
                texts.append(line)
        missing = [text for text in texts if text not in said]
        surplus = [text for text in unwanted if text in said]
        if done.returncode == code and not missing and not surplus:
            return None
        return (f"exit code {done.returncode} (not {code}) or without {missing} or with {surplus}:\n"
                f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
