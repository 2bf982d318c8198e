#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an eStargz blob says about itself, as JSON, read without any of our own code: estargz_peek.py BLOB.

Keys: toc_offset, toc_digest, entries (their number), prefetch_end (0 without a prefetch landmark).
The footer is 51 bytes: an empty gzip member whose extra field is "SG", the length 22, sixteen hex digits of the
TOC's offset, and "STARGZ".
"""

import gzip
import hashlib
import io
import json
import sys
import tarfile

FOOTER_BYTES = 51


def main(path):
    with open(path, "rb") as file:
        blob = file.read()
    footer = blob[-FOOTER_BYTES:]
    if footer[12:14] != b"SG" or footer[32:38] != b"STARGZ":
        sys.exit(f"error: {path} has no eStargz footer")
    toc_offset = int(footer[16:32], 16)
    member = gzip.decompress(blob[toc_offset:-FOOTER_BYTES])
    with tarfile.open(fileobj=io.BytesIO(member)) as tar:
        toc = tar.extractfile("stargz.index.json").read()
    entries = json.loads(toc)["entries"]
    landmarks = [entry.get("offset", 0) for entry in entries if entry["name"] == ".prefetch.landmark"]
    facts = {
        "toc_offset": toc_offset,
        "toc_digest": "sha256:" + hashlib.sha256(toc).hexdigest(),
        "entries": len(entries),
        "prefetch_end": landmarks[0] if landmarks else 0,
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
