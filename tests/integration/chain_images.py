#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes small images in which what a layer looks like depends on what lies below it: chain_images.py DIRECTORY
[NAME…].

One OCI layout (tag plain) for each function of IMAGES, named like it: layers without entries for their
directories over bases that have these with different attributes, have something else there, or nothing;
whiteouts and opaque directories in every position, also in a first layer, where there is nothing to hide.
What is right is whatever containerd unpacks. Deterministic.
"""

import os
import sys
import tarfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts/image"))
import entry_types_image  # noqa: E402  (beside this script)
import oci_layout  # noqa: E402  (found through the line above)

DIRECTORY, SYMLINK = tarfile.DIRTYPE, tarfile.SYMTYPE


def layer(*members):
    """A layer of members: a name that ends in "/" is a directory, others are files; or (name, fields)."""

    def add_members(tar):
        for member in members:
            name, fields = (member, {}) if isinstance(member, str) else member
            if name.endswith("/"):
                fields = {"kind": DIRECTORY, **fields}
            elif "kind" not in fields and not os.path.basename(name).startswith(".wh."):
                fields = {"data": name.encode(), **fields}
            entry_types_image.add(tar, name, **fields)

    return add_members


def base(mode, owner, *more):
    """Directories with attributes of their own, each for one way of meeting them from above."""
    own = {"mode": mode, "uid": owner, "gid": owner + 1, "mtime": 1_400_000_000 + owner}
    return layer(
        ("./", {"mode": 0o711, "uid": owner, "xattrs": {"user.root": "ignored"}}),
        ("tmp/", {**own, "mode": 0o1777, "xattrs": {"user.kept": "k", "security.test": "s"}}),
        ("deep/", own),
        ("deep/a/", {**own, "mode": 0o2755}),
        ("deep/a/b/", {**own, "mode": 0o700}),
        ("deep/a/b/file", own),
        ("gone/", own),
        ("gone/file", own),
        ("opaque/", own),
        ("opaque/inner/", own),
        ("opaque/inner/hidden", own),
        ("made-opaque/", own),
        ("made-opaque/hidden", own),
        ("usr/", {}),
        ("usr/lib/", own),
        ("lib", {"kind": SYMLINK, "linkname": "usr/lib"}),
        ("abs", {"kind": SYMLINK, "linkname": "/usr/../usr/lib/."}),
        ("dangling", {"kind": SYMLINK, "linkname": "usr/nothing"}),
        ("loop", {"kind": SYMLINK, "linkname": "usr/up"}),
        ("usr/up", {"kind": SYMLINK, "linkname": "../usr/lib"}),
        ("file", own),
        ("setgid/", {**own, "mode": 0o2770}),
        *more,
    )


MIDDLE = layer(
    ".wh.gone", ("opaque/", {"mode": 0o750, "uid": 9}), "opaque/.wh..wh..opq", "opaque/new",
    ("usr/only-middle/", {"mode": 0o1770, "gid": 3}), ("deep/", {"mode": 0o705}),
)
# Not one directory of it has an entry.
BARE = layer(
    "tmp/new", "deep/a/b/new", "deep/x/y/new", "gone/new", "opaque/inner/new", "lib/new", "abs/new",
    "dangling/new", "loop/new", "usr/only-middle/new", "made-opaque/.wh..wh..opq", "nothing/.wh.absent",
    "setgid/a/b/new",
    ("elsewhere/link", {"kind": tarfile.LNKTYPE, "linkname": "tmp/new"}),
)
WHITEOUTS = layer(
    ".wh.file", ".wh.absent", "deep/a/.wh.b", ".wh.gone", ("gone/", {"mode": 0o701}), "gone/again",
    ("made-opaque/", {"mode": 0o777}), "made-opaque/before", "made-opaque/.wh..wh..opq", "made-opaque/after",
    ("brand-new/", {}), "brand-new/.wh..wh..opq", "brand-new/file",
    ("brand-new/0-0", {"kind": tarfile.CHRTYPE, "devmajor": 0, "devminor": 0}),
    ".wh.lib", ("lib/", {"mode": 0o700}), "lib/own", "tmp/.wh.absent",
)
# Where nothing lies below, containerd removes what the layer itself has put there before.
FIRST = layer(
    ("d/", {}), "d/before", "d/.wh.before", "d/.wh.after", "d/after", "d/stays", ".wh.absent",
    ("o/", {"mode": 0o700}), "o/before", ("o/sub/", {}), "o/.wh..wh..opq", "o/after",
    ("0-0", {"kind": tarfile.CHRTYPE, "devmajor": 0, "devminor": 0}), "bare/only/file", "bare/.wh.absent",
)
# This cannot be mounted as a first layer, and stays as it is.
BARE_OPAQUE = ("o/sub/lost", "o/.wh..wh..opq", "o/sub/kept")
ROOT_OPAQUE = layer(".wh..wh..opq", "new")

# What would speak to overlayfs, or to the host's security module, were it kept.
HOSTILE = layer(
    ("opaque/", {"xattrs": {"trusted.overlay.redirect": "/deep", "trusted.overlay.opaque": "y"}}),
    ("gone/", {"xattrs": {"trusted.overlay.whiteout": "y", "trusted.overlay.origin": "x"}}),
    ("file", {"xattrs": {"trusted.overlay.metacopy": "", "trusted.overlay.redirect": "/deep/a/b/file"}}),
    ("deep/", {"xattrs": {"trusted.md5sum": "x", "user.kept": "y"}}),
)
# containerd unpacks these, and overlayfs mounted with userxattr would obey them.
HOSTILE_USER = layer(
    ("opaque/", {"xattrs": {"user.overlay.redirect": "/deep", "user.overlay.opaque": "y"}}),
    ("file", {"xattrs": {"user.overlay.metacopy": "", "security.selinux": "a_label"}}),
)
SYMLINKED = layer(
    "real/first", ("link", {"kind": SYMLINK, "linkname": "real"}), "link/second", ("link/sub/", {"mode": 0o700}),
    ("real/up", {"kind": SYMLINK, "linkname": "../../../real/./sub"}), "link/up/third", "link/.wh.absent",
    ("abs", {"kind": SYMLINK, "linkname": "/link/up"}), "abs/fourth", "abs/.wh..wh..opq",
    ("hard", {"kind": tarfile.LNKTYPE, "linkname": "abs/fourth"}),
)


def many(tar):
    """A directory of 100,000 entries."""
    entry_types_image.add(tar, "many/", kind=DIRECTORY)
    for number in range(100_000):
        entry_types_image.add(tar, f"many/{number:x}", kind=SYMLINK, linkname="x", mode=0o777)


IMAGES = {
    "bare-over-one": [base(0o751, 40), BARE],
    "bare-over-two": [base(0o710, 60), MIDDLE, BARE],
    "bare-over-bare": [BARE, BARE],
    "bare-alone": [BARE],
    "base-alone": [base(0o751, 40)],
    "whiteouts": [base(0o751, 40), MIDDLE, WHITEOUTS, BARE],
    "first": [FIRST],
    "first-below": [FIRST, BARE],
    "first-not-lazy": [layer(*BARE_OPAQUE)],
    "bare-over-unpacked": [base(0o751, 40, *BARE_OPAQUE), BARE],
    "root-opaque": [base(0o751, 40), ROOT_OPAQUE],
    "hostile": [base(0o751, 40), HOSTILE],
    "symlinked": [base(0o751, 40), SYMLINKED],
    "entry-comes-late": [base(0o751, 40), layer("setgid/new/file", ("setgid/", {"mode": 0o700, "gid": 77}))],
    "many": [many, layer("many/.wh.2a", "many/new", "many/2b")],
}
# Not what containerd unpacks, on purpose: written when it is named.
INEXACT = {"hostile-user": [base(0o751, 40), HOSTILE_USER]}


def main(directory, *names):
    for name in names or IMAGES:
        members = (IMAGES | INEXACT)[name]
        layout = os.path.join(directory, name)
        layers = [oci_layout.write_layer(layout, add) for add in members]
        oci_layout.write_image(layout, "plain", layers, [name] * len(layers), {"Cmd": ["/none"]})


if __name__ == "__main__":
    main(*sys.argv[1:])
