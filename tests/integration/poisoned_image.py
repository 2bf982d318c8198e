#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes an image that claims to be another.

poisoned_image.py LAYOUT NAME                one layer that says whose it is; tag plain
poisoned_image.py LAYOUT GENUINE EVIL TAG    LAYOUT has the images GENUINE and EVIL: adds the layers of EVIL under
                                             the config of GENUINE, whose diffIDs containerd names snapshots by
"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts/image"))
import entry_types_image  # noqa: E402  (beside this script)
import oci_layout  # noqa: E402  (found through the line above)

REF_NAME = "org.opencontainers.image.ref.name"


def write(layout, name):
    def add_members(tar):
        entry_types_image.add(tar, "name", data=name.encode())
        entry_types_image.add(tar, "unread", data=entry_types_image.pattern(3 << 20, len(name)))

    layers = [oci_layout.write_layer(layout, add_members)]
    oci_layout.write_image(layout, "plain", layers, [name], {"Cmd": ["/none"]})


def poison(layout, genuine, evil, tag):
    index_path = os.path.join(layout, "index.json")
    with open(index_path, encoding="utf-8") as file:
        index = json.load(file)
    manifests = {}
    for entry in index["manifests"]:
        with open(oci_layout.blob_path(layout, entry["digest"]), encoding="utf-8") as file:
            manifests[entry["annotations"][REF_NAME]] = json.load(file)
    poisoned = manifests[evil] | {"config": manifests[genuine]["config"]}
    entry = oci_layout.write_json(layout, oci_layout.MANIFEST_TYPE, poisoned)
    index["manifests"].append(entry | {"annotations": {REF_NAME: tag}})
    with open(index_path, "w", encoding="utf-8") as file:
        json.dump(index, file)


if __name__ == "__main__":
    (write if len(sys.argv) == 3 else poison)(*sys.argv[1:])
