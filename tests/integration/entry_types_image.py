#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes an OCI layout with every type of entry that a layer can hold: entry_types_image.py LAYOUT TAG [PROGRAM].

Four layers: `lower` in GNU tar's format (long names as extra members, base-256 numbers) with directories that
the layer above deletes from; `upper` in PAX format with one of everything; one whose files have no entries for
their directories; and one with names that are not UTF-8. Deterministic.
PROGRAM: a static executable for a layer of its own at the bottom, for tests that run something in the image.
"""

import io
import os
import sys
import tarfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts/image"))
import oci_layout  # noqa: E402  (found through the line above)

LARGE_ID = 3_000_000_000  # more than an octal field of seven digits holds, and more than a signed int
BEFORE_1970 = -86_400 * 365
AFTER_2038 = 2**32 + 12_345
# cap_net_raw=ep as struct vfs_cap_data, revision 2 (linux/capability.h).
CAPABILITY = "\x01\x00\x00\x02\x00\x20" + "\x00" * 14


def pattern(size_bytes, seed):
    """Bytes that do not compress to nothing, the same each time."""
    block = bytes((seed + i * i * 31 + (i >> 5)) & 0xFF for i in range(65_521))
    return (block * (size_bytes // len(block) + 1))[:size_bytes]


def add(tar, name, kind=tarfile.REGTYPE, data=b"", xattrs=None, **fields):
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    info.mtime = 1_600_000_000
    for field, value in fields.items():
        setattr(info, field, value)
    info.pax_headers = {"SCHILY.xattr." + key: value for key, value in (xattrs or {}).items()}
    tar.addfile(info, io.BytesIO(data))


def add_lower(tar):
    add(tar, "./", tarfile.DIRTYPE)
    add(tar, "shared", tarfile.DIRTYPE, mode=0o1777, gid=50)
    for directory in ("deleted", "opaque", "opaque/inner", "kept", "replaced-by-file"):
        add(tar, directory, tarfile.DIRTYPE)
    add(tar, "deleted/gone", data=b"gone")
    add(tar, "kept/gone", data=b"gone")
    add(tar, "kept/stays", data=b"stays")
    add(tar, "opaque/hidden", data=b"hidden")
    add(tar, "opaque/inner/hidden", data=b"hidden")
    add(tar, "replaced-by-file/hidden", data=b"hidden")
    add(tar, "replaced-by-directory", data=b"hidden")
    add(tar, "changed", data=b"below", mode=0o600)
    add(tar, "gnu-" + "n" * 200, data=b"a name of more than a hundred bytes")
    add(tar, "gnu-link", tarfile.SYMTYPE, linkname="l" * 300)
    add(tar, "gnu-large-id", uid=LARGE_ID, gid=LARGE_ID)
    add(tar, "gnu-old", mtime=BEFORE_1970)


def add_files(tar):
    for name, size in (("empty", 0), ("one", 1), ("page-1", 4095), ("page", 4096), ("page+1", 4097)):
        add(tar, "files/" + name, data=pattern(size, len(name)))
    # Whole chunks (the usual size of 1 MiB divides 4 MiB), one byte more, and a last one that is short.
    for name, size in (("chunk", 4 << 20), ("chunk+1", (4 << 20) + 1), ("chunks", (9 << 20) + 321)):
        add(tar, "files/" + name, data=pattern(size, len(name)))
    add(tar, "files/zeros", data=bytes(1 << 20))
    add(tar, "files/setuid", data=b"s", mode=0o4755)
    add(tar, "files/setgid", data=b"s", mode=0o2755)
    add(tar, "files/no-rights", data=b"n", mode=0)
    add(tar, "files/large-id", uid=LARGE_ID, gid=LARGE_ID - 1, uname="somebody", gname="some group")
    for uid in (2**31 - 1, 2**31, 2**32 - 2):
        add(tar, f"files/uid-{uid}", uid=uid, gid=uid)
    add(tar, "files/before-1970", mtime=BEFORE_1970)
    add(tar, "files/after-2038", mtime=AFTER_2038)
    add(tar, "files/fraction", mtime=1_600_000_000.25)
    add(tar, "files/" + "n" * 255, data=b"the longest name")
    add(tar, "files/späte Größe\n\"quoted\"", data=b"utf-8, a newline, quotes")


def add_directories(tar):
    add(tar, "directories", tarfile.DIRTYPE)
    for name, mode in (("sticky", 0o1777), ("setgid", 0o2750), ("closed", 0o000), ("odd", 0o511)):
        add(tar, "directories/" + name, tarfile.DIRTYPE, mode=mode, uid=1000, gid=1001)
    add(tar, "directories/attributes", tarfile.DIRTYPE, xattrs={"user.directory": "d"})


def add_links(tar):
    add(tar, "links", tarfile.DIRTYPE, mode=0o700)
    add(tar, "links/far", tarfile.DIRTYPE)
    add(tar, "links/short", tarfile.SYMTYPE, linkname="../files/one", mode=0o777)
    add(tar, "links/dangling", tarfile.SYMTYPE, linkname="/nowhere/at all", mode=0o777)
    add(tar, "links/long", tarfile.SYMTYPE, linkname="x/" * 1000 + "end", mode=0o777)
    add(tar, "links/first", data=pattern(10_000, 7))
    add(tar, "links/second", tarfile.LNKTYPE, linkname="links/first")
    add(tar, "links/far/third", tarfile.LNKTYPE, linkname="./links/first")
    add(tar, "links/null", tarfile.CHRTYPE, devmajor=1, devminor=3)
    add(tar, "links/far/null", tarfile.LNKTYPE, linkname="links/null")


def add_special(tar):
    add(tar, "special", tarfile.DIRTYPE)
    add(tar, "special/fifo", tarfile.FIFOTYPE, mode=0o620)
    add(tar, "special/character", tarfile.CHRTYPE, devmajor=1, devminor=5, mode=0o666)
    add(tar, "special/block", tarfile.BLKTYPE, devmajor=7, devminor=300, mode=0o660, gid=6)
    add(tar, "special/attributes", data=b"x", xattrs={"user.one": "1", "user.ümlaut": "zwei", "user.empty": ""})
    add(tar, "special/large-attribute", data=b"x", xattrs={"user.large": "v" * 1500})
    add(tar, "special/capability", data=b"#!", mode=0o755, xattrs={"security.capability": CAPABILITY})


def add_without_directories(tar):
    """Files whose directories have no entry: below they exist with attributes of their own, or nowhere."""
    add(tar, "shared/above", data=b"the directory stays 1777")
    add(tar, "/".join(["d" * 100] * 6) + "/deep", data=b"the directories are made up")


def add_upper(tar):
    add(tar, "./", tarfile.DIRTYPE, mode=0o755, mtime=1_500_000_000)
    add(tar, ".wh.deleted")
    add(tar, "kept", tarfile.DIRTYPE, mode=0o711)
    add(tar, "kept/.wh.gone")
    add(tar, "opaque", tarfile.DIRTYPE)
    add(tar, "opaque/.wh..wh..opq")
    add(tar, "opaque/new", data=b"new")
    add(tar, ".wh.replaced-by-file")
    add(tar, "replaced-by-file", data=b"a file now")
    add(tar, ".wh.replaced-by-directory")
    add(tar, "replaced-by-directory", tarfile.DIRTYPE)
    add(tar, "replaced-by-directory/new", data=b"new")
    add(tar, "changed", data=b"above, and longer", mode=0o640)
    add(tar, "files", tarfile.DIRTYPE)
    for part in (add_files, add_directories, add_links, add_special):
        part(tar)


def add_not_utf8(tar):
    """Names that JSON cannot say, and one that looks like what others make of them."""
    add(tar, "not-utf8-\udcff\udcfe", data=b"bytes")
    add(tar, "not-utf8-\ufffd\ufffd", data=b"characters")
    add(tar, "not-utf8-\udcff/", tarfile.DIRTYPE)
    add(tar, "not-utf8-\udcff/" + "\udcfe" * 255, data=pattern(3 << 20, 9))
    add(tar, "not-utf8-link", tarfile.SYMTYPE, linkname="not-utf8-\udcff/\udc80", mode=0o777)
    add(tar, "not-utf8-\udcff/hard", tarfile.LNKTYPE, linkname="not-utf8-\udcff\udcfe")
    add(tar, "kept/.wh.\udcff")


def add_program(tar, program):
    with open(program, "rb") as file:
        add(tar, os.path.basename(program), data=file.read(), mode=0o755)


def main(layout, tag, *programs):
    layers = [oci_layout.write_layer(layout, lambda tar: add_program(tar, program)) for program in programs]
    layers += [
        oci_layout.write_layer(layout, add_lower, tarfile.GNU_FORMAT),
        oci_layout.write_layer(layout, add_upper, tarfile.PAX_FORMAT),
        oci_layout.write_layer(layout, add_without_directories, tarfile.PAX_FORMAT),
        oci_layout.write_layer(layout, add_not_utf8, tarfile.GNU_FORMAT),
    ]
    names = [*map(os.path.basename, programs), "lower", "upper", "without directories", "not utf-8"]
    oci_layout.write_image(layout, tag, layers, names, {"Cmd": ["/none"]})


if __name__ == "__main__":
    main(*sys.argv[1:])
