#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes eStargz images that no converter writes, without any of our own code: crafted_estargz.py DIRECTORY.

DIRECTORY/large    a file of more than 4 GiB, mostly zeros, and one behind it; DIRECTORY/large.expected is the file
DIRECTORY/lying    a table of contents whose digest of a file of one chunk is not that of the chunk
DIRECTORY/claiming a file of two chunks whose digest is that of DIRECTORY/claimed, a file of the same size
DIRECTORY/replaced a foreign writer's name that is not UTF-8: what the tar calls it cannot be known

Each is an OCI layout, tag lazy. Format: eStargz v0.4; members as stargz-snapshotter's writer cuts them.
"""

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts/image"))
import oci_layout  # noqa: E402  (found through the line above)

CHUNK_BYTES = 64 << 20
LARGE_BYTES = (4 << 30) + (128 << 20) + 321
TOC_DIGEST = "containerd.io/snapshot/stargz/toc.digest"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Blob:
    """Gzip members, and the digest of what they hold where somebody will compute it."""

    def __init__(self, digest_needed=True):
        self.data, self.tar = bytearray(), hashlib.sha256() if digest_needed else None
        self.members = {}  # the long ones are repeated, and slow to compress

    def add(self, plain):
        offset = len(self.data)
        if plain not in self.members:
            self.members[plain] = gzip.compress(plain, 1, mtime=0)
        self.data += self.members[plain]
        if self.tar:
            self.tar.update(plain)
        return offset

    def add_file(self, name, chunks):
        """One TOC entry for each chunk; `name` is bytes, for the tar."""
        info = tarfile.TarInfo(os.fsdecode(name))
        info.size, info.mode = sum(map(len, chunks)), 0o644
        self.add(info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
        text, entries, at = name.decode(errors="replace"), [], 0
        for chunk in chunks:
            entries.append({"name": text, "type": "chunk", "offset": self.add(chunk), "chunkOffset": at,
                            "chunkSize": len(chunk), "chunkDigest": sha256(chunk)})
            at += len(chunk)
        entries[0] |= {"type": "reg", "size": at, "mode": 0o644, "modtime": "2020-01-01T00:00:00Z"}
        if len(chunks) == 1:
            entries[0] |= {"digest": sha256(chunks[0]), "chunkSize": 0}
        self.add(bytes(-at % 512))
        return entries

    def finish(self, layout, entries):
        """The OCI layout of an image of this layer."""
        toc = json.dumps({"version": 1, "entries": entries}).encode()
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT) as tar:
            info = tarfile.TarInfo("stargz.index.json")
            info.size = len(toc)
            tar.addfile(info, io.BytesIO(toc))
        offset = self.add(archive.getvalue())
        # An empty member whose extra field says where the table of contents begins.
        extra = b"SG" + (22).to_bytes(2, "little") + b"%016xSTARGZ" % offset
        self.data += b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff" + len(extra).to_bytes(2, "little") + extra
        self.data += b"\x01\x00\x00\xff\xff" + bytes(8)
        os.makedirs(os.path.join(layout, "blobs/sha256"))
        digest = sha256(self.data)
        with open(oci_layout.blob_path(layout, digest), "wb") as file:
            file.write(self.data)
        descriptor = {"mediaType": oci_layout.LAYER_TYPE, "digest": digest, "size": len(self.data),
                      "annotations": {TOC_DIGEST: sha256(toc)}}
        diff_id = "sha256:" + self.tar.hexdigest() if self.tar else sha256(b"nobody looks")
        oci_layout.write_image(layout, "lazy", [(descriptor, diff_id)], ["crafted"], {"Cmd": ["/none"]})


def large_chunks():
    """Data at both ends, and on both sides of 4 GiB."""
    zeros = bytes(CHUNK_BYTES)
    chunks = [zeros] * (LARGE_BYTES // CHUNK_BYTES) + [bytes(300) + b"the end of the file.."]
    chunks[0] = b"the first bytes" + zeros[15:]
    chunks[63] = zeros[:-16] + b"before four GiB."
    chunks[64] = b"after four GiB.." + zeros[16:]
    return chunks


def write_large(directory):
    chunks = large_chunks()
    with open(os.path.join(directory, "large.expected"), "wb") as file:
        for number, chunk in enumerate(chunks):
            if chunk is not chunks[1]:
                file.seek(number * CHUNK_BYTES)
                file.write(chunk)
    blob = Blob(digest_needed=False)
    entries = blob.add_file(b"large", chunks) + blob.add_file(b"behind", [b"lies behind 4 GiB of the disk"])
    blob.finish(os.path.join(directory, "large"), entries)


def main(directory):
    os.makedirs(directory)
    write_large(directory)
    blob = Blob()
    entries = blob.add_file(b"honest", [b"honest"]) + blob.add_file(b"lying", [b"the real content"])
    entries[1]["digest"] = sha256(b"other content")
    blob.finish(os.path.join(directory, "lying"), entries)
    claimed = b"claimed and never there"
    with open(os.path.join(directory, "claimed"), "wb") as file:
        file.write(claimed)
    blob = Blob()
    entries = blob.add_file(b"claimed", [b"there and ", b"never claimed"])
    entries[0]["digest"] = sha256(claimed)
    blob.finish(os.path.join(directory, "claiming"), entries)
    blob = Blob()
    blob.finish(os.path.join(directory, "replaced"), blob.add_file(b"n\xff", [b"whose name is not known"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
