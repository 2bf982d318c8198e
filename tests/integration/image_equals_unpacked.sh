#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The mounted image is the image: file by file what containerd's overlayfs snapshotter unpacks from its
# source, for a Debian image and for one of every entry type, while lazy and when complete.
. "$(dirname "$0")/lib.sh"
harness_start
lazy_start
push_python_image
push_entries_image

# compare NAME VIEW: the lazy image NAME, mounted at VIEW, against containerd's own unpack of its source.
compare() {
    view lazy "$1:lazy" "$2"
    "$INTEGRATION/compare_trees.py" --made-after "$begin" "$WORK/$1-unpacked" "$2" || fail "$1:lazy is not $1"
}

begin=$(date +%s)
for name in python entries; do
    full_pull "$name:plain"
    view overlayfs "$name:plain" "$WORK/$name-unpacked"
    lazy_pull "$name:lazy"
    compare "$name" "$WORK/$name-lazy"
done

# A complete layer is mounted straight from its local file, by the next daemon: another path, the same image.
wait_for_fill 7
for name in python entries; do
    umount "$WORK/$name-lazy"
done
snapshotter_stop
snapshotter_start
for name in python entries; do
    compare "$name" "$WORK/$name-complete"
done
