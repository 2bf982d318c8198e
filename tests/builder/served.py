# SPDX-License-Identifier: Apache-2.0
"""An HTTP server on a free loopback port with what ADD fetches: files, an archive, and a git repository."""

import functools
import http.server
import os
import subprocess
import tarfile
import threading

from base_image import MTIME, member

GIT = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
       "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b", "GIT_AUTHOR_DATE": f"{MTIME} +0000",
       "GIT_COMMITTER_DATE": f"{MTIME} +0000"}


def write_files(directory):
    with open(os.path.join(directory, "file.txt"), "w", encoding="utf-8") as file:
        file.write("served\n")
    with open(os.path.join(directory, "Dockerfile.remote"), "w", encoding="utf-8") as file:
        file.write("FROM busybox\nCOPY <<EOF /remote\nremote\nEOF\n")
    with tarfile.open(os.path.join(directory, "files.tar"), "w", format=tarfile.PAX_FORMAT) as tar:
        with open(os.path.join(directory, "file.txt"), "rb") as file:
            tar.addfile(member("in/file.txt", size=7, mode=0o640, uid=7, gid=8), file)
        dockerfile = os.path.join(directory, "Dockerfile.remote")
        with open(dockerfile, "rb") as file:
            tar.addfile(member("Dockerfile", size=os.path.getsize(dockerfile), mode=0o644), file)
    for name in os.listdir(directory):
        os.utime(os.path.join(directory, name), (MTIME, MTIME))


def write_repository(directory):
    """repo.git: two commits on main, the first one with the tag v1, and a branch "other"."""
    work = os.path.join(directory, "work")

    def git(*arguments, place=work):
        subprocess.run(["git", *arguments], cwd=place, check=True, capture_output=True, env={**os.environ, **GIT})

    def write(name, text):
        os.makedirs(os.path.dirname(os.path.join(work, name)), exist_ok=True)
        with open(os.path.join(work, name), "w", encoding="utf-8") as file:
            file.write(text)

    git("init", "-q", "-b", "main", work, place=directory)
    write("Dockerfile", "FROM busybox\nCOPY . /src/\n")
    write("version", "1\n")
    write("sub/Dockerfile", "FROM busybox\nCOPY in.txt /sub/\n")
    write("sub/in.txt", "in\n")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    git("tag", "v1")
    git("checkout", "-q", "-b", "other")
    write("version", "other\n")
    git("commit", "-q", "-a", "-m", "other")
    git("checkout", "-q", "main")
    write("version", "2\n")
    git("commit", "-q", "-a", "-m", "two")
    bare = os.path.join(directory, "repo.git")
    git("clone", "-q", "--bare", work, bare, place=directory)
    git("update-server-info", place=bare)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Served:
    def __init__(self, directory):
        os.makedirs(directory)
        write_files(directory)
        write_repository(directory)
        handler = functools.partial(Quiet, directory=directory)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
