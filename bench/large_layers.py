#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes an OCI layout whose only layer is large: large_layers.py LAYOUT TAG WHAT.

WHAT is files:COUNT, so many files of 64 bytes, a hundred to a directory; or file:GIB, one file of that size. The layers
are plain tars, since what is measured with them is what comes after. The payloads are this machine's programs, over
and over.
"""

import glob
import hashlib
import os
import sys
import tarfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scripts/image"))
import oci_layout  # noqa: E402  (found through the line above)

FILES_PER_DIRECTORY = 100
FILE_BYTES = 64
BLOCK_BYTES = 512
TAR_TYPE = "application/vnd.oci.image.layer.v1.tar"


def real_bytes(size):
    found = b""
    for path in filter(os.path.isfile, sorted(glob.glob("/usr/bin/*"))):
        if len(found) >= size:
            break
        with open(path, "rb") as file:
            found += file.read(1 << 20)
    return found[:size]


def header(name, size, kind=tarfile.REGTYPE):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.mtime = size, kind, 1_600_000_000
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    return info.tobuf(tarfile.USTAR_FORMAT)


def many_files(count):
    real = real_bytes(1 << 20)
    for first in range(0, count, FILES_PER_DIRECTORY):
        directory = f"d{first // FILES_PER_DIRECTORY:05}"
        yield header(directory, 0, tarfile.DIRTYPE)
        for number in range(first, min(count, first + FILES_PER_DIRECTORY)):
            at = number * 31 % (len(real) - FILE_BYTES)
            yield header(f"{directory}/f{number}", FILE_BYTES)
            yield real[at : at + FILE_BYTES].ljust(BLOCK_BYTES, b"\0")


def large_file(gib):
    size = gib << 30
    piece = real_bytes(64 << 20)
    # A multiple of the block: no padding.
    yield header("large", size)
    for begin in range(0, size, len(piece)):
        yield piece[: size - begin]


def main(layout, tag, what):
    kind, count = what.split(":")
    os.makedirs(os.path.join(layout, "blobs", "sha256"), exist_ok=True)
    part = os.path.join(layout, "layer.part")
    digest = hashlib.sha256()
    with open(part, "wb", buffering=1 << 20) as file:
        for data in {"files": many_files, "file": large_file}[kind](int(count)):
            digest.update(data)
            file.write(data)
        end = bytes(2 * BLOCK_BYTES)
        digest.update(end)
        file.write(end)
    diff_id = "sha256:" + digest.hexdigest()
    descriptor = {"mediaType": TAR_TYPE, "digest": diff_id, "size": os.path.getsize(part)}
    os.replace(part, oci_layout.blob_path(layout, diff_id))
    oci_layout.write_image(layout, tag, [(descriptor, diff_id)], [what], {})


if __name__ == "__main__":
    main(*sys.argv[1:])
