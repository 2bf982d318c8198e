#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What is wrong is said, and never served: command lines, references, damaged blobs.
. "$(dirname "$0")/lib.sh"
harness_start
lazy_start
push_python_image

expect_exit 2 "$LAZYBUILD" convert
expect_exit 2 "$LAZYBUILD" pull --no-such-option x
expect_exit 2 "$LAZYBUILD" no-such-command
expect_exit 2 "$LAZYBUILD" copy "docker://NOT A REFERENCE" "oci:$WORK/out"
expect_exit 1 "$LAZYBUILD" copy "docker://$REGISTRY/nothing:here" "oci:$WORK/out"
expect_exit 1 "$LAZYBUILD" inspect "oci:$WORK/no-such-layout"
expect_equal "images of failed copies" 0 "$(jq '.manifests | length' "$WORK/out/index.json" 2>/dev/null || echo 0)"

# damage NAME:TAG LAYER OFFSET: one byte of a stored blob changes.
damage() {
    "$INTEGRATION/flip_byte.py" "$(blob_file "$(manifest "$1" | jq -r ".layers[$2].digest")")" "$3"
}

# A damaged source is not converted, and not copied.
full_pull python:plain
view overlayfs python:plain "$WORK/good"
damage python:lazy 2 5000000
expect_exit 1 "$LAZYBUILD" copy "docker://$REGISTRY/python:lazy" "oci:$WORK/out"
expect_equal "images of failed copies" 0 "$(jq '.manifests | length' "$WORK/out/index.json")"

# Served lazily, the damaged chunk is an error; every other byte is right.
lazy_pull python:lazy
view lazy python:lazy "$WORK/lazy-view"
(cd "$WORK/good" && find usr/lib -type f -print0 | xargs -0 sha256sum) >"$WORK/sums"
(cd "$WORK/lazy-view" && LC_ALL=C sha256sum --quiet -c "$WORK/sums") >"$WORK/checked" 2>/dev/null || true
! grep ': FAILED$' "$WORK/checked" || fail "wrong bytes were served"
grep -q ': FAILED open or read$' "$WORK/checked" || fail "nothing was an error: is the damaged chunk read at all?"

# A damaged table of contents: the layer is not lazy, and a full pull does not take the blob either.
push "$(python_image)" plain other:plain
convert other --chunk-size 262144 # other blobs than python:lazy
damage other:lazy 1 -200
expect_exit 1 lazy_pull other:lazy
