#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Twenty times kill -9 of the daemon while a container and others wait for a registry that stalls: no read fails, no
# byte is wrong, and each successor takes what its predecessor had not answered.
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
push_python_image
REGISTRY=$PROXY
for name in random python; do lazy_pull "$name:lazy"; done
view lazy random:lazy "$WORK/rootfs"
connection_of_disks
bind() { printf -- '--mount\ntype=bind,src=%s,dst=%s,options=rbind:ro\n' "$1" "$2"; }
read_so_far() { cat "$WORK"/reader? | wc -l; }
read_more_than() { [ "$(read_so_far)" -gt "$1" ]; }

# The container's root file system is lazy as well: whatever python needs late has to survive with the rest.
mapfile -t mounts < <(bind "$WORK/rootfs" /lazy && bind "$WORK/random.data" /random && bind "$INTEGRATION" /tests)
c run --rm --snapshotter lazy "${mounts[@]}" "$REGISTRY/python:lazy" reader \
    python3 /tests/compare_reads.py /lazy/data-0 /random 65536 1 >"$WORK/reader1" &
readers=($!)
wait_until 30 read_more_than 0 || fail "the container does not read"
touch "$WORK/slow"
for seed in 2 3; do
    "$INTEGRATION/compare_reads.py" "$WORK/rootfs/data-0" "$WORK/random.data" 65536 "$seed" >"$WORK/reader$seed" &
    readers+=($!)
done
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
