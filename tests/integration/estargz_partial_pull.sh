#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A reader that is not ours gets every file of a converted image through its tables of contents: skopeo's partial pull
# fetches footer, TOC and the files' members as ranges, checks each file's digest, and never reads the tar.
. "$(dirname "$0")/lib.sh"
harness_start
registry_start
containerd_start
push_python_image

cat >"$WORK/storage.conf" <<CONFIG
[storage]
driver = "overlay"
graphroot = "$WORK/storage"
runroot = "$WORK/storage-run"
[storage.options]
pull_options = {enable_partial_images = "true", use_hard_links = "false", ostree_repos = ""}
CONFIG
forget_requests
CONTAINERS_STORAGE_CONF=$WORK/storage.conf skopeo copy --quiet --src-tls-verify=false \
    "docker://$REGISTRY/python:lazy" "containers-storage:[overlay@$WORK/storage+$WORK/storage-run]python:lazy"

while read -r layer; do
    uri=/v2/python/blobs/$layer
    # Footer, TOC, and at least one range of files; a fallback to the whole blob would be a 200.
    [ "$(requests ".uri == \"$uri\" and .status == 206" | wc -l)" -ge 3 ] || fail "no partial pull of $layer"
    expect_equal "whole fetches of $layer" 0 "$(requests ".uri == \"$uri\" and .status == 200" | wc -l)"
done < <(manifest python:lazy | jq -r '.layers[].digest')

lowers=$(jq -r --arg root "$WORK/storage/overlay" '[.[] | "\($root)/\(.id)/diff"] | reverse | join(":")' \
    "$WORK/storage/overlay-layers/layers.json")
mkdir "$WORK/by-skopeo"
mount -t overlay overlay -o "ro,lowerdir=$lowers" "$WORK/by-skopeo"
full_pull python:plain
view overlayfs python:plain "$WORK/unpacked"
# Of attributes this skopeo sets the modes only; names, types, sizes, contents and links are what the TOC gave it.
"$INTEGRATION/compare_trees.py" --without mtime --without owner "$WORK/unpacked" "$WORK/by-skopeo" ||
    fail "through our tables of contents, skopeo gets another image"
