#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From nothing to a readable image whose layer has 100,000 files, out of a registry on loopback: lazybuild mount, and
# containerd's full pull and unpack of the same image. In turns, ROUNDS (3) times; medians. Needs root.
. "$(dirname "$0")/../tests/integration/lib.sh"
BENCH=$SOURCE/bench
ROUNDS=${ROUNDS:-3}

ours() {
    "$BENCH/measure.py" --append "$WORK/ours.times" \
        "$LAZYBUILD" mount --root "$WORK/state" "$REGISTRY/files:lazy" "$WORK/mounted" 2>/dev/null
    awk '/VmHWM/ {printf "%d\n", $2 / 1024}' "/proc/$(pgrep -f -- "--foreground.*--root $WORK/state")/status" \
        >>"$WORK/server.peaks"
    expect_equal "directories" 1000 "$(find "$WORK/mounted" -mindepth 1 -maxdepth 1 | wc -l)"
    "$LAZYBUILD" umount --root "$WORK/state" "$WORK/mounted" 2>/dev/null
}

theirs() {
    "$BENCH/measure.py" --append "$WORK/theirs.times" \
        ctr --address "$CONTAINERD_SOCKET" image pull --plain-http --snapshotter overlayfs "$REGISTRY/files:plain" \
        >/dev/null 2>&1
    c image rm --sync "$REGISTRY/files:plain" >/dev/null
}

median_of() { sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

harness_start
lazy_start
"$BENCH/large_layers.py" "$WORK/layout" plain files:100000
push "$WORK/layout" plain files:plain
convert files
mkdir "$WORK/mounted"
for ((i = 0; i < ROUNDS; i++)); do
    ours
    theirs
done
ours_s=$(median_of <"$WORK/ours.times") theirs_s=$(median_of <"$WORK/theirs.times")
awk -v ours="$ours_s" -v theirs="$theirs_s" -v peak="$(median_of <"$WORK/server.peaks")" 'BEGIN {
    printf "an image of 100,000 files, readable after: ours %s s, %s MiB at the peak of its process; ", ours, peak
    printf "containerd, pulled and unpacked, %s s: %.1f times as fast\n", theirs, theirs / ours}'
