#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What stargz-snapshotter's converter makes is lazy for us: inspect reads its tables of contents, and the mounted
# images are, file by file, what containerd unpacks from the same blobs.
. "$(dirname "$0")/lib.sh"
harness_start
trixie_start
lazy_start

# convert_theirs NAME: NAME:plain to NAME:theirs, by ctr-remote. Level 1, since it is the format that counts.
convert_theirs() {
    trixie_fetch "$1:plain"
    tc image convert --oci --estargz --estargz-compression-level 1 "$REGISTRY/$1:plain" "$REGISTRY/$1:theirs" \
        >"$WORK/ctr-remote.log" 2>&1 || fail "ctr-remote converts not $1: $(tail -n 5 "$WORK/ctr-remote.log")"
    trixie_push "$1:theirs"
}

layout=$(python_image)
push "$layout" plain python:plain
"$INTEGRATION/entry_types_image.py" "$WORK/entries" plain
push "$WORK/entries" plain entries:plain

# Left out is what eStargz adds to the tar. Their writer rounds times that have fractions. Where their table of contents
# cannot say a name, the layer is pulled in full.
except=(--except .no.prefetch.landmark --except stargz.index.json)
begin=$(date +%s)
for name in python entries; do
    convert_theirs "$name"
    forget_requests
    lazy_pull "$name:theirs"
    [ "$name" != python ] || [ $(($(bytes_served) * 3)) -lt "$(compressed_bytes python:theirs)" ] ||
        fail "the pull fetched $(bytes_served) bytes: it was not lazy"
    full_pull "$name:theirs"
    view overlayfs "$name:theirs" "$WORK/$name-unpacked"
    view lazy "$name:theirs" "$WORK/$name-lazy"
    "$INTEGRATION/compare_trees.py" --made-after "$begin" --rounded-times "${except[@]}" \
        "$WORK/$name-unpacked" "$WORK/$name-lazy" || fail "lazily, $name:theirs is another image"
done
expect_equal "output" 1 "$(import_numpy lazy python:theirs)"
expect_equal "layers with a table of contents" 3 \
    "$("$LAZYBUILD" inspect --toc --json "$REGISTRY/python:theirs" | jq '[.layers[] | select(.lazy)] | length')"
