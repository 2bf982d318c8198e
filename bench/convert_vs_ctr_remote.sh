#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lazybuild convert beside stargz-snapshotter's ctr-remote image convert, each at its default level, on the
# Debian + python image: convert_vs_ctr_remote.sh [--large]. In turns, ROUNDS (3) times; medians. Needs root.
# ours: OCI layout to OCI layout. theirs: in its containerd's content store, which it has the image in beforehand.
# --large: then the memory that converting and pulling take for the layers in LARGE (file:5 files:310000): one file of
# 5 GiB, and nearly as many files as a layer may have to be served lazily.
. "$(dirname "$0")/../tests/integration/lib.sh"
BENCH=$SOURCE/bench
ROUNDS=${ROUNDS:-3}

ours() {
    rm -rf "$WORK/ours"
    "$BENCH/measure.py" --append "$WORK/ours.times" "$LAZYBUILD" convert "oci:$LAYOUT:plain" "oci:$WORK/ours:lazy" \
        --format estargz >"$WORK/ours.log" 2>&1 || fail "lazybuild convert: $(tail -n 5 "$WORK/ours.log")"
}

theirs() {
    tc image rm --sync "$REGISTRY/python:theirs" >/dev/null 2>&1 || true
    "$BENCH/measure.py" --append "$WORK/theirs.times" nsenter --target "$TRIXIE_PID" --mount ctr-remote \
        --address /state/containerd.sock image convert --oci --estargz "$REGISTRY/python:plain" \
        "$REGISTRY/python:theirs" >"$WORK/theirs.log" 2>&1 || fail "ctr-remote: $(tail -n 5 "$WORK/theirs.log")"
}

# median WHO COLUMN: of the lines that measure.py wrote.
median() {
    sort -g -k "$2,$2" "$WORK/$1.times" | awk -v column="$2" '{v[NR] = $column} END {print v[int((NR + 1) / 2)]}'
}

layer_bytes() {
    jq '[.layers[].size] | add'
}

# gzip_bytes: all layers as one gzip member each, at zlib's level 9.
gzip_bytes() {
    python3 - "$LAYOUT" <<'PYTHON'
import glob, gzip, json, os, sys, zlib
blobs = (open(path, "rb").read() for path in glob.glob(sys.argv[1] + "/blobs/sha256/*"))
print(sum(len(zlib.compress(gzip.decompress(blob), 9)) + 12 for blob in blobs if blob[:2] == b"\x1f\x8b"))
PYTHON
}

ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.2f", a / b}'; }

print_table() {
    local ours_s theirs_s ours_bytes theirs_bytes
    ours_s=$(median ours 1) theirs_s=$(median theirs 1)
    ours_bytes=$(skopeo inspect --raw "oci:$WORK/ours:lazy" | layer_bytes)
    theirs_bytes=$(manifest python:theirs | layer_bytes)
    echo "convert, median of $ROUNDS:" \
        "ours $ours_s s ($(median ours 2) s of processors, $(median ours 3) MiB at its peak)," \
        "ctr-remote $theirs_s s ($(median theirs 2) s, without its containerd):" \
        "$(ratio "$theirs_s" "$ours_s") times as fast," \
        "$(ratio "$(median theirs 2)" "$(median ours 2)") by processor time"
    echo "size: ours $ours_bytes, ctr-remote $theirs_bytes, gzip -9 $ZLIB_9: $(ratio "$ours_bytes" "$theirs_bytes")" \
        "of ctr-remote's, $(ratio "$ours_bytes" "$ZLIB_9") of zlib 9's"
}

# large WHAT: peaks of converting and of pulling.
large() {
    "$BENCH/large_layers.py" "$WORK/large" plain "$1"
    "$BENCH/measure.py" --append "$WORK/$1.times" "$LAZYBUILD" convert "oci:$WORK/large:plain" \
        "docker://$REGISTRY/large:${1%:*}" --format estargz >"$WORK/large.log" 2>&1 ||
        echo "convert of the layer $1 failed: $(tail -n 3 "$WORK/large.log")"
    rm -rf "$WORK/large"
    echo "layer $1, convert: $(median "$1" 1) s, $(median "$1" 3) MiB at its peak"
    lazy_pull "large:${1%:*}" >"$WORK/large.log" 2>&1 || echo "pull failed: $(tail -n 3 "$WORK/large.log")"
    awk -v what="$1" '/VmHWM/ {printf "layer %s, pull: %d MiB at the peak of the daemon\n", what, $2 / 1024}' \
        "/proc/$SNAPSHOTTER_PID/status"
}

harness_start
trixie_start
lazy_start
LAYOUT=$(python_image)
push "$LAYOUT" plain python:plain
trixie_fetch python:plain
for ((i = 0; i < ROUNDS; i++)); do
    ours
    theirs
done
trixie_push python:theirs
ZLIB_9=$(gzip_bytes)
print_table
[ "${1:-}" != --large ] || for what in ${LARGE:-file:5 files:310000}; do large "$what"; done
