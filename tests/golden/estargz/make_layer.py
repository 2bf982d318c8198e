#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the layer that the eStargz goldens hold, and what a reader must find in it: make_layer.py TAR TREE.

The tree is written from the tar as Python's tarfile reads it back, with the rules of codec/file_tree.h applied by
hand: a path a line, so that it says what is right without any of our code. Deterministic.
"""

import hashlib
import io
import os
import sys
import tarfile

TYPES = {
    tarfile.REGTYPE: "regular",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "character",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}


def add(tar, name, kind=tarfile.REGTYPE, data=b"", xattrs=None, **fields):
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    info.mtime = 1_600_000_000
    for field, value in fields.items():
        setattr(info, field, value)
    info.pax_headers = {
        "SCHILY.xattr." + key: value.decode("utf-8", "surrogateescape") for key, value in (xattrs or {}).items()
    }
    tar.addfile(info, io.BytesIO(data))


def fill(tar):
    text = "".join(f"line {i} of a file of several chunks\n" for i in range(250)).encode()
    add(tar, "./", tarfile.DIRTYPE)
    add(tar, "etc/", tarfile.DIRTYPE, mode=0o1777, gid=50)
    add(tar, "etc/empty")
    add(tar, "etc/one", data=b"1", mode=0o4755, uid=1000, gid=3_000_000, uname="somebody", gname="group")
    add(tar, "etc/chunks", data=text)
    add(tar, "etc/whole-chunks", data=text[:8192], uid=1000, gid=3_000_000, uname="somebody", gname="group")
    add(tar, "etc/other-name", tarfile.LNKTYPE, linkname="etc/chunks")
    add(tar, "etc/attributes", data=b"x", xattrs={"user.mime": b"text/plain", "security.capability": b"\1\0\0\2\0\xff"})
    add(tar, "etc/grün \"quoted\"\t<&>", data=b"odd name")
    add(tar, "etc/" + "n" * 180, data=b"long name")
    add(tar, "etc/link", tarfile.SYMTYPE, linkname="../" + "x" * 150, mode=0o777)
    add(tar, "etc/replaced", data=b"first")
    add(tar, "etc/replaced", data=b"second", mode=0o600)
    add(tar, "etc/ageless", mtime=0)
    add(tar, "dev/", tarfile.DIRTYPE)
    add(tar, "dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
    add(tar, "dev/disk", tarfile.BLKTYPE, devmajor=259, devminor=300)
    add(tar, "dev/pipe", tarfile.FIFOTYPE)
    add(tar, "dev/.wh.gone")
    add(tar, "hidden/", tarfile.DIRTYPE, mode=0o700)
    add(tar, "hidden/.wh..wh..opq")


def facts(info, content):
    """One line's fields, but for the path and the number of names."""
    said = [TYPES[info.type], f"{info.mode:o}", f"{info.uid}:{info.gid}", str(int(info.mtime))]
    if info.isreg():
        said.append(f"size={info.size} sha256={hashlib.sha256(content).hexdigest()}")
    elif info.issym():
        said.append(f"target={info.linkname}")
    elif info.ischr() or info.isblk():
        said.append(f"device={info.devmajor}:{info.devminor}")
    for key, value in sorted(info.pax_headers.items()):
        if key.startswith("SCHILY.xattr."):
            said.append(f"{key.removeprefix('SCHILY.xattr.')}={value.encode('utf-8', 'surrogateescape').hex()}")
    return said


def tree_of(tar):
    """Path -> fields: later entries replace earlier ones, links share the fields of what they name."""
    found = {}
    for info in tar.getmembers():
        path = os.path.normpath("/" + info.name).lstrip("/")
        folder, name = os.path.split(path)
        if name == ".wh..wh..opq":
            found[folder].append("opaque")
        elif name.startswith(".wh."):
            found[os.path.join(folder, name.removeprefix(".wh."))] = ["whiteout"]
        elif info.islnk():
            found[path] = found[os.path.normpath(info.linkname)]
        else:
            found[path] = facts(info, tar.extractfile(info).read() if info.isreg() else b"")
    return found


def links(found, path):
    if found[path][0] != "directory":
        return sum(1 for other in found.values() if other is found[path])
    inside = [p for p in found if p and os.path.dirname(p) == path and found[p][0] == "directory"]
    return 2 + len(inside)


def main(tar_path, tree_path):
    with tarfile.open(tar_path, "w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape") as tar:
        fill(tar)
    with tarfile.open(tar_path, encoding="utf-8", errors="surrogateescape") as tar:
        found = tree_of(tar)
    with open(tree_path, "w", encoding="utf-8") as file:
        for path in sorted(found):
            file.write(f"{path or '/'}: links={links(found, path)} {' '.join(found[path])}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
