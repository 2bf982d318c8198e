#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The image that the cases are built on: busybox, a few users, and something of every file type, as an OCI layout.

The same bytes on every machine with the same busybox, so that what builders make of it can be compared.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zlib

MTIME = 1_000_000_000
BUSYBOX = "/usr/bin/busybox"
PASSWD = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/usr/sbin:/bin/false\napp:x:1000:1001:app:/home/app:/bin/sh\n"
GROUP = "root:x:0:\ndaemon:x:1:\nusers:x:100:app\nstaff:x:50:app\napp:x:1001:\n"
CONFIG = {
    "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "BASE=from base"],
    "Cmd": ["sh"],
    "Labels": {"base.label": "base"},
}


def member(name, **attributes):
    info = tarfile.TarInfo(name)
    info.mtime = MTIME
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


def layer_tar(busybox):
    """The one layer, as an uncompressed tar, around the program `busybox`, which has the applets of ours."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:

        def directory(name, mode=0o755, uid=0, gid=0):
            tar.addfile(member(name, type=tarfile.DIRTYPE, mode=mode, uid=uid, gid=gid))

        def regular(name, content, mode=0o644, uid=0, gid=0):
            tar.addfile(member(name, size=len(content), mode=mode, uid=uid, gid=gid), io.BytesIO(content))

        def symlink(name, target):
            tar.addfile(member(name, type=tarfile.SYMTYPE, linkname=target, mode=0o777))

        for name in ("bin", "etc", "root", "usr", "usr/bin", "var", "data", "data/sub", "proc", "sys", "dev"):
            directory(name)
        directory("tmp", 0o1777)
        directory("home")
        directory("home/app", 0o750, 1000, 1001)
        with open(busybox, "rb") as file:
            regular("bin/busybox", file.read(), 0o755)
        for applet in subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split():
            if applet != "busybox":
                symlink("bin/" + applet, "busybox")
        regular("etc/passwd", PASSWD.encode())
        regular("etc/group", GROUP.encode())
        regular("data/one", b"one\n")
        regular("data/two", b"two\n", 0o600, 1000, 1001)
        regular("data/setuid", b"#!/bin/sh\n", 0o4755)
        regular("data/sub/three", b"three\n")
        tar.addfile(member("data/hard", type=tarfile.LNKTYPE, linkname="data/one", mode=0o644))
        symlink("data/link", "sub/three")
        symlink("data/dirlink", "sub")
        symlink("data/outside", "../../../etc/passwd")
        symlink("var/data", "/data")
    return out.getvalue()


def gzipped(data):
    """Without a name or a time in it."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
    return compressor.compress(data) + compressor.flush()


def write_layout(directory, onbuild=(), architecture="amd64", busybox=BUSYBOX):
    """An OCI layout with the tag "latest" in `directory`; with ONBUILD triggers when there are some."""
    blobs = os.path.join(directory, "blobs", "sha256")
    os.makedirs(blobs, exist_ok=True)

    def blob(media_type, data):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as file:
            file.write(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    tar = layer_tar(busybox)
    layer = blob("application/vnd.oci.image.layer.v1.tar+gzip", gzipped(tar))
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": "2001-09-09T01:46:40Z",
        "config": dict(CONFIG, OnBuild=list(onbuild)) if onbuild else CONFIG,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar).hexdigest()]},
        "history": [{"created": "2001-09-09T01:46:40Z", "created_by": "base"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("application/vnd.oci.image.config.v1+json", json.dumps(config).encode()),
        "layers": [layer],
    }
    entry = blob(manifest["mediaType"], json.dumps(manifest).encode())
    entry["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    with open(os.path.join(directory, "index.json"), "w", encoding="utf-8") as file:
        json.dump({"schemaVersion": 2, "manifests": [entry]}, file)
    with open(os.path.join(directory, "oci-layout"), "w", encoding="utf-8") as file:
        json.dump({"imageLayoutVersion": "1.0.0"}, file)


if __name__ == "__main__":
    # base_image.py DIRECTORY [ARCHITECTURE BUSYBOX]
    write_layout(sys.argv[1], (), *sys.argv[2:])
