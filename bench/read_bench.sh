#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Reads the Debian + python image through three mounts: read_bench.sh READ_BENCH [--benchmark_…]
#   ext4      containerd's own unpack on ext4, through overlayfs: what the others are compared with
#   complete  ours when every byte is here: EROFS over a file, through overlayfs; no daemon in the path
#   cached    ours while it is lazy, but every byte was read before: EROFS over FUSE, through overlayfs
# Needs root. The programs are found as in the tests: LAZYBUILD_BIN, LAZY_SNAPSHOTTER_BIN, or the dev build.
. "$(dirname "$0")/../tests/integration/lib.sh"
program=$(realpath "$1")
shift
harness_start
lazy_start
push_python_image >&2

full_pull python:plain
view overlayfs python:plain "$WORK/ext4"

lazy_pull python:lazy >&2
wait_for_fill 3 120
# Only the next daemon mounts a layer that is complete without being in its path: it can go.
snapshotter_stop
snapshotter_start
view lazy python:lazy "$WORK/complete"
snapshotter_stop

mkdir "$WORK/cached"
"$LAZYBUILD" mount --root "$WORK/state" "$REGISTRY/python:lazy" "$WORK/cached" >&2
tar -C "$WORK/cached" -cf - . | cat >/dev/null

"$program" "ext4=$WORK/ext4" "complete=$WORK/complete" "cached=$WORK/cached" "$@"
umount "$WORK/cached"
