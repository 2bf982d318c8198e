#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# containerd's garbage collection decides: an image that is removed takes its snapshots, mounts and disks along;
# one that a container uses stays until the container goes.
. "$(dirname "$0")/lib.sh"
harness_start
lazy_start
push_python_image
push_entries_image

lazy_snapshots() { c snapshot --snapshotter lazy list | tail -n +2; }
layer_directories() { find "$WORK/lazy/layers" -mindepth 1 -maxdepth 1; }
erofs_mounts() { awk -v root="$WORK/lazy/" 'index($5, root) == 1 && / - erofs /' /proc/self/mountinfo; }
nothing_left() { [ -z "$(lazy_snapshots)$(erofs_mounts)$(layer_directories)" ]; }

# collect: a garbage collection now; removing another image, of the overlayfs snapshotter, asks for one.
collect() {
    full_pull entries:plain
    c image rm --sync "$REGISTRY/entries:plain" >/dev/null
}

lazy_pull python:lazy
config=$(manifest python:lazy | jq -r .config.digest)
c content ls | grep "$config" | grep -qF "containerd.io/gc.ref.snapshot.lazy=$(chain_ids python:lazy | tail -n 1)" ||
    fail "the config has no label that keeps the snapshots"
collect
expect_equal "snapshots that a collection left" 3 "$(lazy_snapshots | wc -l)"

c run --detach --snapshotter lazy "$REGISTRY/python:lazy" used sleep 1000
c image rm --sync "$REGISTRY/python:lazy" >/dev/null
c task exec --exec-id first used python3 -c 'import numpy' || fail "the image of a running container was collected"
expect_equal "snapshots of the running container" 4 "$(lazy_snapshots | wc -l)"

c task kill --signal SIGKILL used
wait_until 10 c task delete used || fail "the task did not end"
c container rm used
collect
wait_until 20 nothing_left || fail "left behind: $(lazy_snapshots; erofs_mounts; layer_directories)"

lazy_pull python:lazy
c image rm --sync "$REGISTRY/python:lazy" >/dev/null
wait_until 20 nothing_left || fail "left behind: $(lazy_snapshots; erofs_mounts; layer_directories)"
