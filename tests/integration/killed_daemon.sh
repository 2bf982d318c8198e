#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Twenty times kill -9 of the daemon while readers wait for a registry that stalls: no read fails, no byte is wrong,
# and each successor takes what its predecessor had not answered.
. "$(dirname "$0")/lib.sh"
KILLS=${KILLS:-20}
LAZYBUILD_DAEMON_CONFIG=$'[fetch]\nprefetch = false\nbackground_fill = false'
harness_start
keeper_start
lazy_start
proxy_start
"$INTEGRATION/random_image.py" "$WORK/random" plain 24576
push "$WORK/random" plain random:plain
convert random --chunk-size 65536
REGISTRY=$PROXY
lazy_pull random:lazy
view lazy random:lazy "$WORK/rootfs"
connection_of_disks

touch "$WORK/slow"
readers=()
for seed in 1 2 3; do
    "$INTEGRATION/compare_reads.py" "$WORK/rootfs/data-0" "$WORK/random.data" 65536 "$seed" >"$WORK/reader$seed" &
    readers+=($!)
done
read_so_far() { cat "$WORK"/reader? | wc -l; }
read_more_than() { [ "$(read_so_far)" -gt "$1" ]; }

for ((i = 1; i <= KILLS; i++)); do
    wait_until 20 read_more_than $(($(read_so_far) + 10)) || fail "nobody reads on after $i kills"
    touch "$WORK/stall"
    wait_until 10 reads_wait 3 || fail "no read waits at kill $i: everything has been read"
    kill -KILL "$SNAPSHOTTER_PID"
    wait "$SNAPSHOTTER_PID" 2>/dev/null || true
    reads_wait 1 || fail "no read was unanswered at kill $i"
    snapshotter_start
    rm "$WORK/stall"
done
rm "$WORK/slow"
for reader in "${readers[@]}"; do wait "$reader" || fail "a reader was given an error, or a wrong byte"; done

taken=$(sed -n 's/.*took the disks over.* journalled=\([0-9]*\) resent=\([0-9]*\).*/\1 \2/p' "$WORK/snapshotter.log")
say "$KILLS kills; journalled and resent at each: $(tr '\n' ',' <<<"$taken")"
expect_equal "successors that found the disks and something to answer" "$KILLS" "$(grep -cv '^0' <<<"$taken")"
