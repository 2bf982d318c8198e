#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A thousand reads that wait for one registry that stalls take no thread of the daemon, and hold up neither another
# layer's bytes that are here nor those that another registry has. When the stall ends, all thousand are right.
. "$(dirname "$0")/lib.sh"
LAZYBUILD_DAEMON_CONFIG=$'[fetch]\nprefetch = false\nbackground_fill = false'
harness_start
lazy_start
proxy_start
for name in stalled:8:1000 other:1024:2; do
    IFS=: read -r image kib files <<<"$name"
    "$INTEGRATION/random_image.py" "$WORK/$image" plain "$kib" "$files"
    push "$WORK/$image" plain "$image:plain"
    convert "$image" --chunk-size 65536
done
lazy_pull other:lazy
view lazy other:lazy "$WORK/other-rootfs"
registry=$REGISTRY
REGISTRY=$PROXY
lazy_pull stalled:lazy
view lazy stalled:lazy "$WORK/stalled-rootfs"
REGISTRY=$registry
connection_of_disks
threads() { find "/proc/$SNAPSHOTTER_PID/task" -mindepth 1 -maxdepth 1 | wc -l; }
# read_other NUMBER: file NUMBER of the other layer.
read_other() {
    tail -c +$(($1 * 1048576 + 1)) "$WORK/other.data" | head -c 1048576 >"$WORK/other-$1"
    timeout 20 cmp "$WORK/other-rootfs/data-$1" "$WORK/other-$1"
}

read_other 0 || fail "the other layer cannot be read"
drop_caches
before=$(threads)
touch "$WORK/stall"
"$INTEGRATION/many_readers.py" "$WORK/stalled-rootfs" "$WORK/stalled.data" 1000 &
readers=$!
wait_until 30 reads_wait 1000 || fail "$(cat "$FUSE_CONNECTION/waiting") reads wait instead of 1000"
expect_equal "threads of the daemon while 1000 reads wait" "$before" "$(threads)"
forget_requests
read_other 0 || fail "bytes that are here cannot be read while another layer's registry stalls"
expect_equal "requests for bytes that are here" "" "$(requests '.uri | contains("/other/")')"
read_other 1 || fail "bytes of a healthy registry cannot be read while another registry stalls"
reads_wait 1000 || fail "the stall was none: reads were answered meanwhile"
rm "$WORK/stall"
wait "$readers" || fail "reads that waited for the registry failed"
