#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a layer looks like may depend on what lies below it: directories that it has no entries for, whiteouts,
# and whether it is the first. Each image is, file by file, what containerd's overlayfs snapshotter unpacks, also
# for the daemon that comes after.
. "$(dirname "$0")/lib.sh"
harness_start
lazy_start

"$INTEGRATION/chain_images.py" "$WORK/images"
begin=$(date +%s)
compare() {
    view lazy "$1:lazy" "$2"
    "$INTEGRATION/compare_trees.py" --made-after "$begin" "$WORK/$1-unpacked" "$2" || fail "$1:lazy is not $1"
    umount "$2"
}
for layout in "$WORK"/images/*; do
    name=$(basename "$layout")
    push "$layout" plain "$name:plain"
    convert "$name"
    full_pull "$name:plain"
    view overlayfs "$name:plain" "$WORK/$name-unpacked"
    lazy_pull "$name:lazy" >"$WORK/$name.pull" 2>&1 || fail "$(cat "$WORK/$name.pull")"
    compare "$name" "$WORK/$name-lazy"
done
expect_equal "images with layers that are not lazy" "bare-over-unpacked first-not-lazy " \
    "$(cd "$WORK" && grep -L ' 0 in full,' ./*.pull | sed 's,./,,; s,.pull,,' | sort | tr '\n' ' ')"
[ -n "$(find "$WORK/lazy/layers" -name 'chain-*.erofs')" ] || fail "no layer has an image of its chain's own"

rm -r "$WORK/images/many" # once is enough
snapshotter_stop
snapshotter_start
for layout in "$WORK"/images/*; do
    compare "$(basename "$layout")" "$WORK/$(basename "$layout")-again"
done
