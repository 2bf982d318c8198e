#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# As on kernels that mount EROFS from block devices only: a lazy start through loop devices, which are gone with
# the mounts.
. "$(dirname "$0")/lib.sh"
[ -e /dev/loop-control ] || skip "no loop devices"
export LAZYBUILD_DAEMON_CONFIG='erofs_mounts = "loop"'
harness_start
lazy_start
push_python_image
devices() { losetup --list --noheadings --output BACK-FILE | grep -F "$WORK/lazy/" || true; }
no_devices() { [ -z "$(devices)" ]; }

expect_exit 0 "$LAZY_SNAPSHOTTER" --config "$WORK/config.toml" --root "$WORK/check" --check
grep -q 'EROFS mounts of loop devices *used' <<<"$OUTPUT" || fail "--check does not say so: $OUTPUT"

lazy_pull python:lazy
expect_equal "loop devices of three layers" 6 "$(devices | wc -l)"
begin=$(date +%s)
full_pull python:plain
view overlayfs python:plain "$WORK/unpacked"
view lazy python:lazy "$WORK/lazy-view"
"$INTEGRATION/compare_trees.py" --made-after "$begin" "$WORK/unpacked" "$WORK/lazy-view" || fail "it is not the image"
umount "$WORK/lazy-view"
snapshotter_stop
wait_until 20 no_devices || fail "left attached: $(devices)"

# The whole of lazy_start, too.
"$INTEGRATION/lazy_start.sh"
