#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes an OCI layout out of unpacked root file systems: layers_from_trees.py LAYOUT TAG TREE…

The first tree is the bottom layer; each further tree becomes a layer of what differs from the tree before
it, with the parent directories of every changed file, the root included, and whiteouts for what is gone
(OCI image-spec v1.1, layer.md "Change Types"). A file counts as unchanged when its attributes are, the time
in nanoseconds included: the trees are copies of one another.
"""

import multiprocessing
import os
import stat
import sys
import tarfile

import oci_layout

# Mount points and package caches: an image has the directories, not what the build left in them.
EMPTY_DIRECTORIES = ("dev", "proc", "sys", "run", "tmp", "var/cache/apt", "var/lib/apt/lists", "var/log")
RUN_CONFIG = {
    "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    "Cmd": ["python3"],
    "WorkingDir": "/",
}


def scan(root):
    """All paths below root, relative and sorted, with the attributes that make a file the same file."""
    found = {"": attributes(root)}
    for directory, names, files in os.walk(root):
        inside = os.path.relpath(directory, root)
        inside = "" if inside == "." else inside
        if inside in EMPTY_DIRECTORIES:
            names.clear()
            continue
        for name in names + files:
            path = os.path.join(inside, name)
            found[path] = attributes(os.path.join(root, path))
    return found


def attributes(path):
    info = os.lstat(path)
    # A directory's size and time say what was in it, which its entries say better.
    content = () if stat.S_ISDIR(info.st_mode) else (info.st_size, info.st_mtime_ns, info.st_rdev)
    link = os.readlink(path) if stat.S_ISLNK(info.st_mode) else ""
    return (info.st_mode, info.st_uid, info.st_gid, link, tuple(sorted(xattrs(path).items())), content)


def xattrs(path):
    names = os.listxattr(path, follow_symlinks=False)
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names}


def parents(path):
    """Every directory above path, the root ("") included."""
    while path:
        path = os.path.dirname(path)
        yield path


def changes(below, above):
    """What a layer over `below` says to become `above`: paths to add, and paths that are gone."""
    added = {path for path, kind in above.items() if below.get(path) != kind}
    gone = {path for path in below if path not in above}
    # A directory that is gone takes what was in it along, and a file in a directory's place does so too.
    gone = {path for path in gone if above.get(os.path.dirname(path), (0,))[0] & stat.S_IFDIR}
    for path in added | gone:
        added = added.union(parents(path))
    return added, gone


def member(tar, root, path):
    info = tar.gettarinfo(os.path.join(root, path), arcname=path or ".")
    # The names that this machine has for the numbers are none of the image's business.
    info.uname = info.gname = ""
    for name, value in xattrs(os.path.join(root, path)).items():
        info.pax_headers["SCHILY.xattr." + name] = value.decode("utf-8", "surrogateescape")
    return info


def add_tree(tar, root, added, gone):
    whiteouts = {os.path.join(os.path.dirname(p), ".wh." + os.path.basename(p)) for p in gone}
    for path in sorted(added | whiteouts):
        if path in whiteouts:
            tar.addfile(tarfile.TarInfo(path))
            continue
        info = member(tar, root, path)
        if info.isreg():
            with open(os.path.join(root, path), "rb") as file:
                tar.addfile(info, file)
        else:
            tar.addfile(info)


def layer_of(job):
    layout, below, root = job
    added, gone = changes(scan(below) if below else {}, scan(root))
    return oci_layout.write_layer(layout, lambda tar: add_tree(tar, root, added, gone))


def main(layout, tag, *trees):
    jobs = [(layout, below, root) for below, root in zip((None, *trees), trees)]
    with multiprocessing.Pool() as pool:
        layers = pool.map(layer_of, jobs, chunksize=1)
    comments = [os.path.basename(root) for root in trees]
    oci_layout.write_image(layout, tag, layers, comments, RUN_CONFIG)
    for name, (descriptor, _) in zip(comments, layers):
        print(f"{name}: {descriptor['size']} bytes", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
