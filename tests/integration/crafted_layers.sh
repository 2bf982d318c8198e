#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Layers of no converter: a file of more than 4 GiB is read lazily at its ends and in between; a table of contents
# that lies about a file, or cannot say a name, is refused, and the layer pulled in full, which is said.
. "$(dirname "$0")/lib.sh"
harness_start
export LAZYBUILD_DAEMON_CONFIG=$'[fetch]\nbackground_fill = false'
lazy_start
"$INTEGRATION/crafted_estargz.py" "$WORK/crafted"

push "$WORK/crafted/large" lazy large:lazy
lazy_pull large:lazy
view lazy large:lazy "$WORK/large"
expected=$WORK/crafted/large.expected
expect_equal "size" "$(stat -c %s "$expected")" "$(stat -c %s "$WORK/large/large")"
for at in 0 $(((4 << 30) - 4096)) $(($(stat -c %s "$expected") - 4096)); do
    cmp --ignore-initial="$at" --bytes=8192 "$expected" "$WORK/large/large" || fail "wrong bytes from $at"
done
expect_equal "the file behind it" "lies behind 4 GiB of the disk" "$(cat "$WORK/large/behind")"
[ "$(du -k "$WORK"/lazy/layers/*/disk | cut -f1)" -lt $((600 << 10)) ] || fail "far more was fetched than read"

for name in lying replaced; do
    push "$WORK/crafted/$name" lazy "$name:lazy"
    lazy_pull "$name:lazy" 2>&1 | grep ' 0 layers lazy, 1 in full,' || fail "$name:lazy is served lazily"
done
grep 'full pull' "$WORK/snapshotter.log" | grep -q 'digest and chunkDigest of its one chunk differ' || fail "no reason"
grep 'full pull' "$WORK/snapshotter.log" | grep -q 'the bytes of a name are not known' || fail "no reason"
view lazy lying:lazy "$WORK/lying"
expect_equal "content" "the real content" "$(cat "$WORK/lying/lying")"
