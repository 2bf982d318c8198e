#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes an OCI layout whose one layer has files of bytes that do not compress: random_image.py LAYOUT TAG KIB [FILES].

The same bytes go to LAYOUT.data, one after the other: file N is `data-N`, KIB KiB of it. Another TAG, other bytes.
"""

import io
import os
import random
import sys
import tarfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts/image"))
import oci_layout  # noqa: E402  (found through the line above)


def main(layout, tag, kib, files="1"):
    source = random.Random(tag)

    def add(tar):
        with open(layout + ".data", "wb") as copy:
            for number in range(int(files)):
                data = source.randbytes(int(kib) << 10)
                copy.write(data)
                info = tarfile.TarInfo(f"data-{number}")
                info.size, info.mode = len(data), 0o644
                tar.addfile(info, io.BytesIO(data))

    layer = oci_layout.write_layer(layout, add)
    oci_layout.write_image(layout, tag, [layer], ["random"], {"Cmd": ["/none"]})


if __name__ == "__main__":
    main(*sys.argv[1:])
