# SPDX-License-Identifier: Apache-2.0
"""What an image is, in a form that can be compared: its config's relevant members, its history, and the files that
its layers make when they are unpacked over each other."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile

from base_image import MTIME

WHITEOUT = ".wh."
# Members of a lazy layer that are not files of the image.
NOT_FILES = ("stargz.index.json", ".prefetch.landmark", ".no.prefetch.landmark")
CONFIG_MEMBERS = ("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal",
                  "Healthcheck", "OnBuild", "Shell")


def read_blob(layout, digest):
    algorithm, name = digest.split(":")
    with open(os.path.join(layout, "blobs", algorithm, name), "rb") as file:
        data = file.read()
    if hashlib.sha256(data).hexdigest() != name:
        raise ValueError(f"{digest} has other bytes")
    return data


def uncompressed(data):
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return subprocess.run(["zstd", "-dc"], input=data, check=True, capture_output=True).stdout
    return data


def describe(info, content):
    kinds = {tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "link",
             tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block", tarfile.FIFOTYPE: "fifo"}
    parts = [kinds[info.type], f"{info.mode & 0o7777:04o}", f"{info.uid}:{info.gid}"]
    if info.isreg():
        parts.append(f"{len(content)} {hashlib.sha256(content).hexdigest()[:16]}")
    if info.issym():
        parts.append("-> " + info.linkname)
    if info.ischr() or info.isblk():
        parts.append(f"{info.devmajor},{info.devminor}")
    for key in sorted(info.pax_headers):
        if key.startswith("SCHILY.xattr."):
            parts.append(key[13:] + "=" + repr(info.pax_headers[key]))
    # The time of a file that came as it is; others are of the moment in which they were made.
    if int(info.mtime) == MTIME:
        parts.append("old")
    return " ".join(parts)


def remove(tree, path):
    for name in [name for name in tree if name == path or name.startswith(path + "/")]:
        del tree[name]


def apply_layer(tree, tar):
    """OCI image-spec layer.md. Hard links become "hardlink NAME" of the first name in their layer."""
    opaque, added, links = [], {}, {}
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for info in archive:
            path = os.path.normpath(info.name).lstrip("/")
            if path in ("", ".") or path in NOT_FILES:
                continue
            parent, name = os.path.split(path)
            if name == WHITEOUT + WHITEOUT + ".opq":
                opaque.append(parent)
            elif name.startswith(WHITEOUT):
                remove(tree, os.path.join(parent, name[len(WHITEOUT):]))
            elif info.islnk():
                target = os.path.normpath(info.linkname).lstrip("/")
                links[path] = links.get(target, target)
            else:
                content = archive.extractfile(info).read() if info.isreg() else b""
                added[path] = describe(info, content)
                links.pop(path, None)
    for directory in opaque:
        for name in [name for name in tree if name.startswith(directory + "/")]:
            del tree[name]
    for path, text in added.items():
        if path in tree and not (text.startswith("dir") and tree[path].startswith("dir")):
            remove(tree, path)
        tree[path] = text
    groups = {}
    for path, target in links.items():
        groups.setdefault(target, {target}).add(path)
    for target, names in groups.items():
        text = tree[target]
        for path in names:
            tree[path] = text + " links " + ",".join(sorted(names))


def manifests(layout):
    """Those of all platforms, of the first image."""
    with open(os.path.join(layout, "index.json"), encoding="utf-8") as file:
        documents = [json.load(file)]
    while "manifests" in documents[0]:
        entries = documents[0]["manifests"]
        documents = [json.loads(read_blob(layout, entry["digest"])) for entry in entries]
    return documents


def read_image(layout):
    """The image in an OCI layout; "others" are its other platforms, in full."""
    images = [read_manifest(layout, manifest) for manifest in manifests(layout)]
    return images[0] | ({"others": images[1:]} if images[1:] else {})


def read_manifest(layout, manifest):
    config = json.loads(read_blob(layout, manifest["config"]["digest"]))
    tree = {}
    for descriptor, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        tar = uncompressed(read_blob(layout, descriptor["digest"]))
        if "sha256:" + hashlib.sha256(tar).hexdigest() != diff_id:
            raise ValueError(f"{descriptor['digest']} is not what the config calls {diff_id}")
        apply_layer(tree, tar)
    inner = config.get("config", {})
    return {
        "platform": config["os"] + "/" + config["architecture"],
        "author": config.get("author", ""),
        "config": {name: inner[name] for name in CONFIG_MEMBERS if inner.get(name) not in (None, "", [], {})},
        "history": [entry.get("created_by", "") + (" (empty)" if entry.get("empty_layer") else "")
                    for entry in config.get("history", [])],
        "layers": len(manifest["layers"]),
        "media types": [descriptor["mediaType"] for descriptor in manifest["layers"]],
        "annotations": manifest.get("annotations", {}),
        "tree": tree,
    }


def difference(tree, base):
    """What makes `tree` another one than `base`: added and changed files, and "gone" for removed ones.

    The time of a directory that was there is left out: peers change it when something is made in it, we do not."""
    changed = {path: text for path, text in tree.items()
               if base.get(path) != text and not (text.startswith("dir") and base.get(path) == text + " old")}
    changed.update({path: "gone" for path in base if path not in tree})
    return dict(sorted(changed.items()))
