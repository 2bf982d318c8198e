#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# plain_layers = "claim": an image that nobody converted is unpacked by the daemon, in one pass for each layer, into
# what containerd's own unpack would have made; and it starts without the registry, also after a restart.
. "$(dirname "$0")/lib.sh"
harness_start
LAZYBUILD_DAEMON_CONFIG='plain_layers = "claim"'
lazy_start
push_python_image
push_entries_image

begin=$(date +%s)
lazy_pull python:plain >"$WORK/pull.out" 2>&1 || fail "pull: $(cat "$WORK/pull.out")"
if grep -qi 'full pull' "$WORK/snapshotter.log"; then fail "a layer was left to containerd"; fi
expect_equal "layers unpacked in one pass" "$(chain_ids python:plain | wc -l)" \
    "$(grep -c 'unpacked="in one pass"' "$WORK/snapshotter.log")"
expect_equal "files of a snapshot" 0 "$(find "$WORK/lazy" -xdev -path "*/snapshots/*" -type f | wc -l)"
expect_equal "output" 1 "$(import_numpy lazy python:plain)"

# Every type of entry, in a chain: as containerd unpacks it.
lazy_pull entries:plain
full_pull entries:plain
view lazy entries:plain "$WORK/ours"
view overlayfs entries:plain "$WORK/theirs"
"$INTEGRATION/compare_trees.py" --made-after "$begin" "$WORK/theirs" "$WORK/ours" || fail "the trees differ"

registry_stop
umount "$WORK/ours"
snapshotter_stop
snapshotter_start
expect_equal "output after a restart, without a registry" 1 "$(import_numpy lazy python:plain)"
