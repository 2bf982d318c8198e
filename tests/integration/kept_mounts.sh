#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# With a keeper, a restart of the daemon keeps the mounts, and who reads meanwhile waits. A keeper that dies is given
# the disks again; when both die, the next start mounts anew. INT takes everything away.
. "$(dirname "$0")/lib.sh"
LAZYBUILD_DAEMON_CONFIG=$'[fetch]\nprefetch = false\nbackground_fill = false'
harness_start
keeper_start
lazy_start
"$INTEGRATION/random_image.py" "$WORK/random" plain 2048
push "$WORK/random" plain random:plain
convert random --chunk-size 65536
lazy_pull random:lazy
view lazy random:lazy "$WORK/rootfs"
connection_of_disks
mounts() { awk -v below="$WORK/lazy/" 'index($5, below) == 1 {print $1, $5}' /proc/self/mountinfo | sort; }
logged() { [ "$(grep -cE "msg=\"?$1" "$WORK/snapshotter.log")" -ge "${2:-1}" ]; }
read_all() { "$INTEGRATION/compare_reads.py" "$1" "$WORK/random.data" 100000 1 >/dev/null; }
die() { kill -KILL "$1" && wait "$1" 2>/dev/null || true; }

before=$(mounts)
[ "$(wc -l <<<"$before")" = 2 ] || fail "the disks and one layer should be mounted: $before"
snapshotter_stop
expect_equal "mounts without the daemon" "$before" "$(mounts)"
read_all "$WORK/rootfs/data-0" &
reader=$!
wait_until 10 reads_wait 1 || fail "nobody waits for the next daemon"
snapshotter_start
wait "$reader" || fail "a read that waited for the next daemon failed"
expect_equal "mounts after the restart" "$before" "$(mounts)"
logged "restored .*adopted=1" || fail "the daemon does not say that it adopted the mount"

die "$KEEPER_PID"
wait_until 10 logged 'the keeper has gone' || fail "the daemon did not notice that the keeper died"
keeper_start
wait_until 10 logged 'the keeper has the disks again' || fail "the new keeper was not given the disks"
die "$SNAPSHOTTER_PID"
snapshotter_start
logged 'took the disks over' 2 || fail "the disks were lost with the first keeper"

die "$KEEPER_PID"
die "$SNAPSHOTTER_PID"
snapshotter_start
logged 'nobody keeps the disks' || fail "the daemon does not say that it has no keeper"
read_all "$WORK"/lazy/snapshots/*/fs/data-0 || fail "reads fail after a start from nothing"
snapshotter_stop INT
expect_equal "mounts after SIGINT" "" "$(mounts)"
