#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds in one store at once, equal ones and different ones, while one of them is killed and the cache is pruned: each
# makes what it makes alone, and leaves nothing behind.
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-6}
harness_start
registry_start
push_busybox
mkdir "$WORK/context"
head -c 3000000 /dev/urandom >"$WORK/context/data"
printf 'FROM %s/busybox:lazy AS one\nCOPY data /data/new\nRUN cp /data/new /copy\n' "$REGISTRY" >"$WORK/context/one"
{ cat "$WORK/context/one" && echo 'RUN sha256sum /data/* /copy /bin/busybox >/sums; true'; } >"$WORK/context/two"
cp "$WORK/context/two" "$WORK/context/three"
sed "\$ a FROM $REGISTRY/busybox:1\nCOPY --from=one /copy /copy\nRUN wc -c /copy >/size" "$WORK/context/one" \
    >"$WORK/context/four"

# build ROOT NAME: an OCI layout $WORK/ROOT.NAME, equal for equal files, and a log beside it; in a subshell's place.
build() {
    rm -rf "${WORK:?}/$1.$2"
    exec "$LAZYBUILD" build --root "$WORK/$1" --progress plain --source-date-epoch 1000000000 -f "$WORK/context/$2" \
        -o "type=oci,tar=false,rewrite-timestamp=true,dest=$WORK/$1.$2" "$WORK/context" >"$WORK/$1.$2.log" 2>&1
}

# expect_right NAME STATUS: as it was made alone.
expect_right() {
    [ "$2" = 0 ] || fail "$1, round $round: exit code $2: $(tail -n 15 "$WORK/store.$1.log")"
    cmp "$WORK/alone.$1/index.json" "$WORK/store.$1/index.json" || fail "$1, round $round: another image"
}

names=(one two three four)
for name in "${names[@]}"; do
    (build alone "$name") || fail "$name alone: $(tail -n 15 "$WORK/alone.$name.log")"
    rm -rf "$WORK/alone"
done
for ((round = 0; round < ROUNDS; round++)); do
    [ $((round % 2)) = 1 ] || rm -rf "$WORK/store"
    declare -A status=() pids=()
    for name in "${names[@]}"; do
        (build store "$name") & pids[$name]=$!
    done
    sleep "0.$((round % 5 * 2))"
    victim=${names[round % 4]}
    kill -KILL "${pids[$victim]}" 2>/dev/null || true  # it may be done
    "$LAZYBUILD" cache prune --root "$WORK/store" >"$WORK/prune.log" 2>&1 || fail "prune: $(cat "$WORK/prune.log")"
    for name in "${names[@]}"; do wait "${pids[$name]}" && status[$name]=0 || status[$name]=$?; done
    (build store "$victim") && status[$victim]=0 || status[$victim]=$?
    for name in "${names[@]}"; do expect_right "$name" "${status[$name]}"; done
    expect_nothing_left
done
