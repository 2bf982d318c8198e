#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An eStargz layer is an ordinary gzipped tar: gunzip and tar list and extract from it what the source layer
# holds, and skopeo copies and inspects the image.
. "$(dirname "$0")/lib.sh"
harness_start
[ -x "$LAZYBUILD" ] || fail "no lazybuild at $LAZYBUILD (set LAZYBUILD_BIN)"
registry_start
push_python_image
push_entries_image

# unpack NAME:TAG LAYER DIRECTORY: GNU tar's idea of one layer.
unpack() {
    mkdir -p "$3"
    # Left out is what eStargz adds: a landmark for the prefetch and its table of contents.
    gunzip <"$(blob_file "$(manifest "$1" | jq -r ".layers[$2].digest")")" |
        tar -x -C "$3" --numeric-owner --same-permissions --xattrs --xattrs-include='*' --delay-directory-restore \
            --exclude=.no.prefetch.landmark --exclude=.prefetch.landmark --exclude=stargz.index.json
}

begin=$(date +%s)
for layer in python.0 python.1 python.2 entries.0 entries.1; do
    unpack "${layer%.*}:plain" "${layer#*.}" "$WORK/plain/$layer"
    unpack "${layer%.*}:lazy" "${layer#*.}" "$WORK/lazy/$layer"
    "$INTEGRATION/compare_trees.py" --made-after "$begin" "$WORK/plain/$layer" "$WORK/lazy/$layer" ||
        fail "tar extracts something else from $layer"
done

for name in python entries; do
    skopeo copy --quiet --src-tls-verify=false "docker://$REGISTRY/$name:lazy" "oci:$WORK/copy:$name"
    expect_equal "layers that skopeo sees" "$(manifest "$name:lazy" | jq '.layers | length')" \
        "$(skopeo inspect "oci:$WORK/copy:$name" | jq '.Layers | length')"
done
